// The primitives DKIM and ARC need, over OpenSSL's libcrypto: SHA-256, RSA (PKCS#1 v1.5) and Ed25519 (RFC
// 6376 §3.3, RFC 8463). Pure functions over values; keys are immutable and may be shared by threads.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

namespace dkim {

enum class Algorithm { RsaSha256, Ed25519Sha256, RsaSha1 };
std::string_view to_text(Algorithm algorithm);

class Sha256 {
 public:
    Sha256();
    ~Sha256();
    Sha256(Sha256&&) noexcept;
    Sha256& operator=(Sha256&&) noexcept;
    void update(std::string_view octets);
    /// 32 octets; the object is used up.
    std::string finish();

 private:
    struct State;
    std::unique_ptr<State> state_;
};

std::string sha256(std::string_view octets);

class PrivateKey;

class PublicKey {
 public:
    /// DER: SubjectPublicKeyInfo, or a bare RSAPublicKey (RFC 6376 §3.6.1 as amended by erratum 3017).
    static std::expected<PublicKey, std::string> rsa(std::string_view der);
    /// 32 octets (RFC 8463 §4).
    static std::expected<PublicKey, std::string> ed25519(std::string_view raw);
    unsigned bits() const;
    bool is_rsa() const;
    /// `digest` is the SHA-256 of what was signed.
    bool verify(std::string_view digest, std::string_view signature) const;
    bool belongs_to(const PrivateKey& key) const;

 private:
    std::shared_ptr<void> key_;
};

class PrivateKey {
 public:
    /// PEM (PKCS#1 or PKCS#8, RSA or Ed25519, no password), or base64 of the same as DER or of a raw 32-octet
    /// Ed25519 seed.
    static std::expected<PrivateKey, std::string> parse(std::string_view text);
    unsigned bits() const;
    bool is_rsa() const;
    Algorithm algorithm() const { return is_rsa() ? Algorithm::RsaSha256 : Algorithm::Ed25519Sha256; }
    std::string sign(std::string_view digest) const;
    /// The p= value of the key record: base64 of SubjectPublicKeyInfo (RSA) or of the 32 octets (Ed25519).
    std::string public_record_value() const;

 private:
    friend class PublicKey;
    std::shared_ptr<void> key_;
};

/// A new key as PKCS#8 PEM. `rsa_bits` 0: Ed25519.
std::string generate_key_pem(unsigned rsa_bits);

}  // namespace dkim
