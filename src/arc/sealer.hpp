// Adds our own ARC set to a message that goes on (RFC 8617 §5.1). Pure; one Sealer for one message.
#pragma once

#include "arc/chain.hpp"
#include "dkim/crypto.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace arc {

struct SealOptions {
    std::string domain, selector, authserv_id;
    std::vector<std::string>
        names;  // h= of the message signature; empty: those DKIM recommends that are there
    std::uint64_t timestamp = 0;
};

class Sealer {
 public:
    Sealer(SealOptions options, std::string header_block);
    void body(std::string_view octets) { hasher_.update(octets); }
    /// The three fields with CRLF, to be put before the message; once, after the body. `results`: what stands
    /// behind our id in Authentication-Results ("spf=pass …; dkim=…"). Empty: no set may be added, because
    /// the chain has failed before us or is full.
    std::string seal(const dkim::PrivateKey& key, ChainStatus chain, std::string_view results);

 private:
    SealOptions options_;
    std::shared_ptr<const std::string> header_block_;  // stays where it is: fields_ and sets_ look into it
    std::vector<dkim::Field> fields_;
    std::expected<std::vector<Set>, std::string> sets_;
    dkim::BodyHasher hasher_;
    std::string body_hash_;
};

}  // namespace arc
