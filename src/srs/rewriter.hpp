// Sender rewriting (SRS): ann@example.org, forwarded by fwd.example, becomes
// SRS0=HHHH=TT=example.org=ann@fwd.example; what another forwarder rewrote becomes
// SRS1=HHHH=first.example==HHHH=TT=example.org=ann@fwd.example. HHHH is the beginning of an HMAC in base64,
// TT the day in base32. Octet for octet what Mail::SRS, libsrs2 and postsrsd write; letters may change their
// case on the way. Pure and immutable; used by routing/.
#pragma once

#include "mail/address.hpp"

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace srs {

struct Rules {
    std::string domain;                // what stands behind the @ of rewritten addresses
    std::vector<std::string> secrets;  // at least one: the first signs, all verify
    char separator = '=';              // behind SRS0 and SRS1: '=', '+' or '-'; all three are understood
    std::size_t hash_octets = 4;       // of the hash we write
    std::size_t hash_octets_min = 4;   // of the hash we accept
    unsigned age_days_max = 21;
    std::size_t local_part_octets_max = 64;  // RFC 5321 §4.5.3.1.1
};

enum class Error {
    NotRewritten,  // no SRS address, or not of our domain
    BadHash,       // forged, or signed with a secret that is gone
    Expired,
    TooLong,  // the rewritten local part would be longer than RFC 5321 allows
};
std::string_view to_text(Error error);

class Rewriter {
 public:
    explicit Rewriter(Rules rules);
    const std::string& domain() const { return rules_.domain; }
    /// `now`: Unix time. Errors: TooLong; NotRewritten for an address without a domain.
    std::expected<mail::Address, Error> forward(const mail::Address& sender, std::uint64_t now) const;
    /// True for SRS0 and SRS1 addresses of our domain, whatever their hash says.
    bool is_ours(const mail::Address& address) const;
    /// Who stands behind one of our addresses. Errors: all but TooLong.
    std::expected<mail::Address, Error> reverse(const mail::Address& address, std::uint64_t now) const;

 private:
    std::string hash(std::string_view secret, std::initializer_list<std::string_view> parts) const;
    bool hash_holds(std::string_view hash, std::initializer_list<std::string_view> parts) const;
    Rules rules_;
};

}  // namespace srs
