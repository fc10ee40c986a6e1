// Signed tokens (RFC 7515 compact form, RFC 7519) and the keys they are checked with (RFC 7517, RFC 7518,
// RFC 8037). Pure; values, which may be shared by threads. What a token says is judged in token_claims.hpp.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace accounts {

/// The public keys of an issuer: a JWKS file's.
class KeySet {
 public:
    /// Keys of a kind or for a use that is not ours are passed over. Error: a sentence.
    static std::expected<KeySet, std::string> parse(std::string_view jwks);
    std::size_t size() const { return keys_.size(); }

    /// The claims (JSON) of a token that one of the keys has signed. RS256/384/512, PS256, ES256, ES384 and
    /// EdDSA; the key must be of the algorithm's kind, so that neither "none" nor a public key taken for a
    /// shared secret can pass. Error: why not, without any of the token.
    std::expected<std::string, std::string> verified_claims(std::string_view token) const;

 private:
    struct Key {
        std::string id, algorithm, kind;  // kid, alg (may be empty), "RSA", "P-256", "P-384", "Ed25519"
        std::shared_ptr<void> handle;     // EVP_PKEY
    };
    std::vector<Key> keys_;
    friend class KeyReader;
};

constexpr std::size_t token_octets_max = 16 * 1024;

}  // namespace accounts
