// A private key for ACME: an account's or a certificate's. Signs as JWS wants it (RFC 7515, RFC 7518 §3).
// Values; immutable, may be shared by threads.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <string_view>

namespace acme {

enum class KeyType { Ecdsa, Rsa };  // P-256; 2048 bits
std::string_view to_text(KeyType type);

class Key {
 public:
    /// Takes a while for RSA: not on a network loop.
    static Key generate(KeyType type);
    /// PEM without a password, P-256 or RSA of at least 2048 bits.
    static std::expected<Key, std::string> parse(const std::string& pem);
    /// PKCS#8.
    std::string pem() const;
    KeyType type() const;
    /// "ES256" or "RS256".
    std::string_view algorithm() const;
    /// The public key as JSON, in the one form that thumbprints are made of (RFC 7638 §3).
    std::string jwk() const;
    /// base64url of the SHA-256 of jwk(): half of every key authorization (RFC 8555 §8.1).
    std::string thumbprint() const;
    /// The signature's octets as a JWS has them: r and s side by side for ECDSA (RFC 7518 §3.4).
    std::string sign(std::string_view octets) const;
    /// The EVP_PKEY, for this folder.
    void* handle() const { return key_.get(); }

 private:
    std::shared_ptr<void> key_;
};

std::string sha256(std::string_view octets);

}  // namespace acme
