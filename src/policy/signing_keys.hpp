// Which private keys sign for which author (dkim_signing_keys, and OpenDKIM's SigningTable and KeyTable).
// Immutable; shared by loops.
#pragma once

#include "dkim/crypto.hpp"
#include "env/file_system.hpp"
#include "policy/sender_options.hpp"

#include <expected>
#include <string>
#include <vector>

namespace policy {

struct SigningKey {
    std::string domain, selector;
    dkim::PrivateKey key;
};

class SigningKeys {
 public:
    /// Error: which file or line is wrong.
    static std::expected<SigningKeys, std::string> make(const SenderOptions& options, env::FileSystem& files);
    bool empty() const { return rules_.empty(); }
    /// The keys for a message of `author` ("ann@example.org"): the first matching pattern's; with
    /// dkim_signing_keys those of the domain, else of the nearest parent domain.
    std::vector<const SigningKey*> keys_for(const std::string& author) const;

 private:
    struct Rule {
        std::string pattern;  // "*@example.org", "ann@example.org", "example.org"
        std::vector<std::size_t> keys;
    };
    std::vector<SigningKey> keys_;
    std::vector<Rule> rules_;
};

}  // namespace policy
