#include "dkim/crypto.hpp"

#include "base/base64.hpp"
#include "base/check.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <iterator>
#include <openssl/asn1.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

namespace dkim {
namespace {

constexpr std::size_t ed25519_octets = 32;  // RFC 8032 §5.1.5
constexpr unsigned rsa_bits_max = 8192;     // a larger key is an attack on our time

const unsigned char* octets(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}
EVP_PKEY* pkey(const std::shared_ptr<void>& key) { return static_cast<EVP_PKEY*>(key.get()); }
std::shared_ptr<void> own(EVP_PKEY* key) {
    return {key, [](void* k) { EVP_PKEY_free(static_cast<EVP_PKEY*>(k)); }};
}

using Context = std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;
using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;

/// Fetched once: OpenSSL 3 looks EVP_sha256() up again, under locks, at each use.
const EVP_MD* sha256_method() {
    static const EVP_MD* const method = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    return method;
}

bool set_up_rsa(EVP_PKEY_CTX* context) {
    return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) > 0 &&
           EVP_PKEY_CTX_set_signature_md(context, sha256_method()) > 0;
}

/// The RSAPublicKey within a SubjectPublicKeyInfo of rsaEncryption; empty: it is none.
/// OpenSSL's own decoder of the whole takes longer than the signature does.
std::string_view rsa_within(std::string_view der) {
    constexpr std::string_view rsa_encryption("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00", 13);
    const auto enter = [](std::string_view text,
                          int wanted) -> std::pair<std::string_view, std::string_view> {
        const unsigned char* at = octets(text);
        long length = 0;
        int tag = 0, type = 0;
        if (text.empty() ||
            (ASN1_get_object(&at, &length, &tag, &type, static_cast<long>(text.size())) & 0x81) != 0 ||
            tag != wanted)
            return {};
        const auto head = static_cast<std::size_t>(at - octets(text));
        const auto size = static_cast<std::size_t>(length);
        return {text.substr(head, size), text.substr(head + size)};
    };
    const auto [whole, behind] = enter(der, V_ASN1_SEQUENCE);
    const auto [algorithm, rest] = enter(whole, V_ASN1_SEQUENCE);
    const auto [bits, after] = enter(rest, V_ASN1_BIT_STRING);
    if (!behind.empty() || !after.empty() || algorithm != rsa_encryption || bits.empty() || bits.front() != 0)
        return {};
    return bits.substr(1);
}

}  // namespace

std::string_view to_text(Algorithm algorithm) {
    switch (algorithm) {
        case Algorithm::RsaSha256:
            return "rsa-sha256";
        case Algorithm::Ed25519Sha256:
            return "ed25519-sha256";
        case Algorithm::RsaSha1:
            return "rsa-sha1";
    }
    return "";
}

struct Sha256::State {
    DigestContext context{EVP_MD_CTX_new(), EVP_MD_CTX_free};
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
    CHECK(EVP_DigestInit_ex(state_->context.get(), sha256_method(), nullptr) == 1);
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;
void Sha256::update(std::string_view text) {
    EVP_DigestUpdate(state_->context.get(), text.data(), text.size());
}
std::string Sha256::finish() {
    std::string out(32, '\0');
    EVP_DigestFinal_ex(state_->context.get(), reinterpret_cast<unsigned char*>(out.data()), nullptr);
    return out;
}

std::string sha256(std::string_view text) {
    Sha256 hash;
    hash.update(text);
    return hash.finish();
}

std::expected<PublicKey, std::string> PublicKey::rsa(std::string_view der) {
    if (const auto inner = rsa_within(der); !inner.empty()) der = inner;
    const unsigned char* at = octets(der);
    EVP_PKEY* key = d2i_PublicKey(EVP_PKEY_RSA, nullptr, &at, static_cast<long>(der.size()));
    if (!key) {  // of another kind, or written in another way
        at = octets(der);
        key = d2i_PUBKEY(nullptr, &at, static_cast<long>(der.size()));
    }
    if (!key) return std::unexpected("the public key is not valid");
    PublicKey out;
    out.key_ = own(key);
    if (at != octets(der) + der.size()) return std::unexpected("octets behind the public key");
    if (EVP_PKEY_base_id(key) != EVP_PKEY_RSA) return std::unexpected("the public key is not an RSA key");
    if (out.bits() > rsa_bits_max) return std::unexpected("the public key is too long");
    return out;
}

std::expected<PublicKey, std::string> PublicKey::ed25519(std::string_view raw) {
    EVP_PKEY* key = raw.size() == ed25519_octets
                        ? EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, octets(raw), raw.size())
                        : nullptr;
    if (!key) return std::unexpected("the public key is not an Ed25519 key");
    PublicKey out;
    out.key_ = own(key);
    return out;
}

unsigned PublicKey::bits() const { return static_cast<unsigned>(EVP_PKEY_bits(pkey(key_))); }
bool PublicKey::is_rsa() const { return EVP_PKEY_base_id(pkey(key_)) == EVP_PKEY_RSA; }

bool PublicKey::verify(std::string_view digest, std::string_view signature) const {
    if (!is_rsa()) {
        const DigestContext context{EVP_MD_CTX_new(), EVP_MD_CTX_free};
        return EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, pkey(key_)) == 1 &&
               EVP_DigestVerify(context.get(), octets(signature), signature.size(), octets(digest),
                                digest.size()) == 1;
    }
    const Context context{EVP_PKEY_CTX_new(pkey(key_), nullptr), EVP_PKEY_CTX_free};
    return context && EVP_PKEY_verify_init(context.get()) > 0 && set_up_rsa(context.get()) &&
           EVP_PKEY_verify(context.get(), octets(signature), signature.size(), octets(digest),
                           digest.size()) == 1;
}

bool PublicKey::belongs_to(const PrivateKey& key) const {
    return EVP_PKEY_eq(pkey(key_), pkey(key.key_)) == 1;
}

std::expected<PrivateKey, std::string> PrivateKey::parse(std::string_view text) {
    EVP_PKEY* key = nullptr;
    if (text.find("-----BEGIN") != std::string_view::npos) {
        const Bio bio{BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), BIO_free};
        // An empty password, so that nothing ever asks on a terminal.
        key = PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, const_cast<char*>(""));
        if (!key) return std::unexpected("not a private key in PEM form without a password");
    } else {
        std::string encoded;
        std::ranges::copy_if(text, std::back_inserter(encoded), [](char c) { return !base::is_space(c); });
        const auto bytes = base::base64_decode(encoded);
        if (bytes && bytes->size() == ed25519_octets) {
            key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, octets(*bytes), bytes->size());
        } else if (bytes) {
            const unsigned char* at = octets(*bytes);
            key = d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(bytes->size()));
        }
        if (!key) return std::unexpected("neither PEM nor base64 of a private key");
    }
    PrivateKey out;
    out.key_ = own(key);
    const int id = EVP_PKEY_base_id(key);
    if (id != EVP_PKEY_RSA && id != EVP_PKEY_ED25519)
        return std::unexpected("neither an RSA nor an Ed25519 key");
    return out;
}

unsigned PrivateKey::bits() const { return static_cast<unsigned>(EVP_PKEY_bits(pkey(key_))); }
bool PrivateKey::is_rsa() const { return EVP_PKEY_base_id(pkey(key_)) == EVP_PKEY_RSA; }

std::string PrivateKey::sign(std::string_view digest) const {
    std::size_t size = static_cast<std::size_t>(EVP_PKEY_size(pkey(key_)));
    std::string out(size, '\0');
    auto* to = reinterpret_cast<unsigned char*>(out.data());
    bool ok = false;
    if (is_rsa()) {
        const Context context{EVP_PKEY_CTX_new(pkey(key_), nullptr), EVP_PKEY_CTX_free};
        ok = context && EVP_PKEY_sign_init(context.get()) > 0 && set_up_rsa(context.get()) &&
             EVP_PKEY_sign(context.get(), to, &size, octets(digest), digest.size()) > 0;
    } else {
        const DigestContext context{EVP_MD_CTX_new(), EVP_MD_CTX_free};
        ok = EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, pkey(key_)) == 1 &&
             EVP_DigestSign(context.get(), to, &size, octets(digest), digest.size()) == 1;
    }
    CHECK(ok);
    out.resize(size);
    return out;
}

std::string PrivateKey::public_record_value() const {
    if (!is_rsa()) {
        std::string raw(32, '\0');
        std::size_t size = raw.size();
        CHECK(EVP_PKEY_get_raw_public_key(pkey(key_), reinterpret_cast<unsigned char*>(raw.data()), &size) ==
              1);
        return base::base64_encode(raw);
    }
    unsigned char* der = nullptr;
    const int size = i2d_PUBKEY(pkey(key_), &der);
    CHECK(size > 0);
    std::string out = base::base64_encode({reinterpret_cast<char*>(der), static_cast<std::size_t>(size)});
    OPENSSL_free(der);
    return out;
}

std::string generate_key_pem(unsigned rsa_bits) {
    EVP_PKEY* key = rsa_bits == 0
                        ? EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")
                        : EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", static_cast<std::size_t>(rsa_bits));
    CHECK(key != nullptr);
    const auto owner = own(key);
    const Bio bio{BIO_new(BIO_s_mem()), BIO_free};
    CHECK(PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1);
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &text);
    return {text, static_cast<std::size_t>(size)};
}

}  // namespace dkim
