#include "acme/key.hpp"

#include "base/base64.hpp"
#include "base/check.hpp"

#include <fmt/format.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

namespace acme {
namespace {

constexpr int coordinate_octets = 32;  // of P-256
constexpr unsigned rsa_bits = 2048;

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using Number = std::unique_ptr<BIGNUM, decltype(&BN_free)>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;
using Signature = std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)>;

EVP_PKEY* pkey(const Key& key) { return static_cast<EVP_PKEY*>(key.handle()); }

unsigned char* octets(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

/// A number of the public key, big-endian; `size` 0: as short as it goes (RFC 7518 §6.2.1.2, §6.3.1.1).
std::string number(const Key& key, const char* name, int size) {
    BIGNUM* raw = nullptr;
    CHECK(EVP_PKEY_get_bn_param(pkey(key), name, &raw) == 1);
    const Number value(raw, BN_free);
    std::string out(static_cast<std::size_t>(size > 0 ? size : BN_num_bytes(value.get())), '\0');
    CHECK(BN_bn2binpad(value.get(), octets(out), static_cast<int>(out.size())) >= 0);
    return base::base64url_encode(out);
}

std::shared_ptr<void> own(EVP_PKEY* key) {
    return {key, [](void* k) { EVP_PKEY_free(static_cast<EVP_PKEY*>(k)); }};
}

}  // namespace

std::string_view to_text(KeyType type) { return type == KeyType::Ecdsa ? "ecdsa" : "rsa"; }

Key Key::generate(KeyType type) {
    EVP_PKEY* made = type == KeyType::Ecdsa ? EVP_EC_gen("P-256") : EVP_RSA_gen(rsa_bits);
    CHECK(made != nullptr);
    Key out;
    out.key_ = own(made);
    return out;
}

std::expected<Key, std::string> Key::parse(const std::string& pem) {
    const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free);
    // An empty password, so that nothing ever asks on a terminal.
    EVP_PKEY* read = PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, const_cast<char*>(""));
    ERR_clear_error();
    if (!read) return std::unexpected("no private key in PEM form without a password");
    Key out;
    out.key_ = own(read);
    const int id = EVP_PKEY_get_base_id(read);
    char group[64] = {};
    std::size_t size = 0;
    const bool p256 = id == EVP_PKEY_EC && EVP_PKEY_get_group_name(read, group, sizeof group, &size) == 1 &&
                      std::string_view(group) == "prime256v1";
    const bool rsa = id == EVP_PKEY_RSA && EVP_PKEY_get_bits(read) >= static_cast<int>(rsa_bits);
    if (!p256 && !rsa) return std::unexpected("the key is neither ECDSA P-256 nor RSA of 2048 bits or more");
    return out;
}

std::string Key::pem() const {
    const Bio bio(BIO_new(BIO_s_mem()), BIO_free);
    CHECK(PEM_write_bio_PrivateKey(bio.get(), pkey(*this), nullptr, nullptr, 0, nullptr, nullptr) == 1);
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    return {data, static_cast<std::size_t>(size)};
}

KeyType Key::type() const {
    return EVP_PKEY_get_base_id(pkey(*this)) == EVP_PKEY_EC ? KeyType::Ecdsa : KeyType::Rsa;
}

std::string_view Key::algorithm() const { return type() == KeyType::Ecdsa ? "ES256" : "RS256"; }

std::string Key::jwk() const {
    if (type() == KeyType::Rsa)
        return fmt::format(R"({{"e":"{}","kty":"RSA","n":"{}"}})", number(*this, OSSL_PKEY_PARAM_RSA_E, 0),
                           number(*this, OSSL_PKEY_PARAM_RSA_N, 0));
    return fmt::format(R"({{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}})",
                       number(*this, OSSL_PKEY_PARAM_EC_PUB_X, coordinate_octets),
                       number(*this, OSSL_PKEY_PARAM_EC_PUB_Y, coordinate_octets));
}

std::string Key::thumbprint() const { return base::base64url_encode(sha256(jwk())); }

std::string Key::sign(std::string_view text) const {
    const DigestContext context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    const auto* input = reinterpret_cast<const unsigned char*>(text.data());
    std::size_t size = 0;
    CHECK(EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, pkey(*this)) == 1);
    CHECK(EVP_DigestSign(context.get(), nullptr, &size, input, text.size()) == 1);
    std::string out(size, '\0');
    CHECK(EVP_DigestSign(context.get(), octets(out), &size, input, text.size()) == 1);
    out.resize(size);
    if (type() == KeyType::Rsa) return out;
    const unsigned char* at = octets(out);
    const Signature pair(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(out.size())), ECDSA_SIG_free);
    CHECK(pair != nullptr);
    std::string flat(2 * coordinate_octets, '\0');
    CHECK(BN_bn2binpad(ECDSA_SIG_get0_r(pair.get()), octets(flat), coordinate_octets) >= 0);
    CHECK(BN_bn2binpad(ECDSA_SIG_get0_s(pair.get()), octets(flat) + coordinate_octets, coordinate_octets) >=
          0);
    return flat;
}

std::string sha256(std::string_view text) {
    std::string out(32, '\0');
    CHECK(EVP_Digest(text.data(), text.size(), octets(out), nullptr, EVP_sha256(), nullptr) == 1);
    return out;
}

}  // namespace acme
