#include "accounts/json_web_token.hpp"

#include "base/base64.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <optional>

namespace accounts {
namespace {

using nlohmann::json;

constexpr std::size_t keys_max = 64;
constexpr int rsa_bits_min = 2048;
constexpr int rsa_bits_max = 16384;

struct Algorithm {
    std::string_view name, kind;
    const EVP_MD* (*digest)();
    std::size_t coordinate_octets;  // of ECDSA; else 0
    bool pss;
};
constexpr Algorithm algorithms[] = {
    {"RS256", "RSA", EVP_sha256, 0, false},    {"RS384", "RSA", EVP_sha384, 0, false},
    {"RS512", "RSA", EVP_sha512, 0, false},    {"PS256", "RSA", EVP_sha256, 0, true},
    {"ES256", "P-256", EVP_sha256, 32, false}, {"ES384", "P-384", EVP_sha384, 48, false},
    {"EdDSA", "Ed25519", nullptr, 0, false},
};

std::string text_of(const json& object, const char* name) {
    const auto found = object.find(name);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}
std::optional<std::string> octets_of(const json& object, const char* name) {
    const auto octets = base::base64url_decode(text_of(object, name));
    return octets && !octets->empty() ? octets : std::nullopt;
}
const unsigned char* bytes(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

/// nullopt: not an object.
std::optional<json> parse_object(std::string_view text) {
    json out = json::parse(text, nullptr, false);
    return out.is_object() ? std::optional(std::move(out)) : std::nullopt;
}

EVP_PKEY* from_parameters(const char* type, OSSL_PARAM_BLD* builder) {
    EVP_PKEY* out = nullptr;
    const std::unique_ptr<OSSL_PARAM, decltype(&OSSL_PARAM_free)> parameters(OSSL_PARAM_BLD_to_param(builder),
                                                                             OSSL_PARAM_free);
    const std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)> context(
        EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr), EVP_PKEY_CTX_free);
    if (parameters && context && EVP_PKEY_fromdata_init(context.get()) == 1)
        EVP_PKEY_fromdata(context.get(), &out, EVP_PKEY_PUBLIC_KEY, parameters.get());
    return out;
}

using Builder = std::unique_ptr<OSSL_PARAM_BLD, decltype(&OSSL_PARAM_BLD_free)>;
using Number = std::unique_ptr<BIGNUM, decltype(&BN_free)>;

EVP_PKEY* rsa_key(const json& jwk) {
    const auto n = octets_of(jwk, "n"), e = octets_of(jwk, "e");
    constexpr std::size_t exponent_octets_max = 8;
    if (!n || !e || n->size() > rsa_bits_max / 8 || e->size() > exponent_octets_max) return nullptr;
    const Number modulus(BN_bin2bn(bytes(*n), static_cast<int>(n->size()), nullptr), BN_free);
    const Number exponent(BN_bin2bn(bytes(*e), static_cast<int>(e->size()), nullptr), BN_free);
    if (BN_num_bits(modulus.get()) < rsa_bits_min || BN_is_one(exponent.get()) || !BN_is_odd(exponent.get()))
        return nullptr;
    const Builder builder(OSSL_PARAM_BLD_new(), OSSL_PARAM_BLD_free);
    OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get());
    OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get());
    return from_parameters("RSA", builder.get());
}

EVP_PKEY* ec_key(const json& jwk, const std::string& curve) {
    const auto x = octets_of(jwk, "x"), y = octets_of(jwk, "y");
    const std::size_t size = curve == "P-256" ? 32 : 48;
    if (!x || !y || x->size() != size || y->size() != size) return nullptr;
    const std::string point = '\x04' + *x + *y;
    const Builder builder(OSSL_PARAM_BLD_new(), OSSL_PARAM_BLD_free);
    OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, curve.c_str(), 0);
    OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size());
    return from_parameters("EC", builder.get());
}

EVP_PKEY* ed_key(const json& jwk) {
    const auto x = octets_of(jwk, "x");
    return x ? EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes(*x), x->size()) : nullptr;
}

/// r and s side by side (RFC 7518 §3.4) as the DER that OpenSSL wants; "": not that.
std::string der_signature(std::string_view flat, std::size_t coordinate_octets) {
    if (flat.size() != 2 * coordinate_octets) return {};
    const auto size = static_cast<int>(coordinate_octets);
    const std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> pair(ECDSA_SIG_new(), ECDSA_SIG_free);
    ECDSA_SIG_set0(pair.get(), BN_bin2bn(bytes(flat), size, nullptr),
                   BN_bin2bn(bytes(flat) + coordinate_octets, size, nullptr));
    unsigned char* der = nullptr;
    const int length = i2d_ECDSA_SIG(pair.get(), &der);
    std::string out(reinterpret_cast<char*>(der), static_cast<std::size_t>(std::max(length, 0)));
    OPENSSL_free(der);
    return out;
}

bool is_signed_by(EVP_PKEY* key, const Algorithm& algorithm, std::string_view text,
                  std::string_view signature) {
    std::string der;
    if (algorithm.coordinate_octets > 0) {
        der = der_signature(signature, algorithm.coordinate_octets);
        signature = der;
    }
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    EVP_PKEY_CTX* settings = nullptr;
    const EVP_MD* digest = algorithm.digest ? algorithm.digest() : nullptr;
    bool ready =
        !signature.empty() && EVP_DigestVerifyInit(context.get(), &settings, digest, nullptr, key) == 1;
    if (ready && algorithm.pss)
        ready = EVP_PKEY_CTX_set_rsa_padding(settings, RSA_PKCS1_PSS_PADDING) == 1 &&
                EVP_PKEY_CTX_set_rsa_pss_saltlen(settings, RSA_PSS_SALTLEN_DIGEST) == 1;
    const bool good = ready && EVP_DigestVerify(context.get(), bytes(signature), signature.size(),
                                                bytes(text), text.size()) == 1;
    ERR_clear_error();
    return good;
}

/// "use" and "key_ops" (RFC 7517 §4.2, §4.3), where they are, must allow checking signatures.
bool is_for_signatures(const json& jwk) {
    if (jwk.contains("use") && text_of(jwk, "use") != "sig") return false;
    const auto operations = jwk.find("key_ops");
    if (operations == jwk.end()) return true;
    return operations->is_array() && std::ranges::any_of(*operations, [](const json& one) {
               return one.is_string() && one.get<std::string>() == "verify";
           });
}

}  // namespace

class KeyReader {
 public:
    static std::optional<KeySet::Key> read(const json& jwk) {
        if (!jwk.is_object() || !is_for_signatures(jwk)) return std::nullopt;
        KeySet::Key out{text_of(jwk, "kid"), text_of(jwk, "alg"), "", nullptr};
        const std::string type = text_of(jwk, "kty"), curve = text_of(jwk, "crv");
        EVP_PKEY* key = nullptr;
        if (type == "RSA") {
            out.kind = type;
            key = rsa_key(jwk);
        } else if (type == "EC" && (curve == "P-256" || curve == "P-384")) {
            out.kind = curve;
            key = ec_key(jwk, curve);
        } else if (type == "OKP" && curve == "Ed25519") {
            out.kind = curve;
            key = ed_key(jwk);
        }
        ERR_clear_error();
        if (!key) return std::nullopt;
        out.handle = {key, [](void* k) { EVP_PKEY_free(static_cast<EVP_PKEY*>(k)); }};
        return out;
    }
};

std::expected<KeySet, std::string> KeySet::parse(std::string_view jwks) {
    const auto set = parse_object(jwks);
    const auto keys = set ? set->find("keys") : json::const_iterator();
    if (!set || keys == set->end() || !keys->is_array())
        return std::unexpected("not a JWK set (RFC 7517 §5): an object with an array \"keys\"");
    if (keys->size() > keys_max) return std::unexpected("more keys than anybody needs");
    KeySet out;
    for (const auto& jwk : *keys)
        if (auto key = KeyReader::read(jwk)) out.keys_.push_back(std::move(*key));
    if (out.keys_.empty())
        return std::unexpected(
            "no key that can check signatures (RSA of 2048 bits, P-256, P-384 or Ed25519)");
    return out;
}

std::expected<std::string, std::string> KeySet::verified_claims(std::string_view token) const {
    const auto parts = base::split(token, '.');
    if (token.size() > token_octets_max || parts.size() != 3) return std::unexpected("not a signed JWT");
    const auto header_text = base::base64url_decode(parts[0]), claims = base::base64url_decode(parts[1]),
               signature = base::base64url_decode(parts[2]);
    const auto header = header_text ? parse_object(*header_text) : std::nullopt;
    if (!header || !claims || !signature) return std::unexpected("not a signed JWT");
    // An extension that must not be passed over (RFC 7515 §4.1.11); we know none.
    if (header->contains("crit"))
        return std::unexpected("the JWT has an extension this version does not know");
    const auto* algorithm = std::ranges::find(algorithms, text_of(*header, "alg"), &Algorithm::name);
    if (algorithm == std::end(algorithms)) return std::unexpected("the JWT's algorithm is not allowed");
    const std::string id = text_of(*header, "kid");
    const std::string_view input = token.substr(0, parts[0].size() + 1 + parts[1].size());
    bool any = false;
    for (const auto& key : keys_) {
        if (key.kind != algorithm->kind || (!key.algorithm.empty() && key.algorithm != algorithm->name) ||
            (!id.empty() && !key.id.empty() && key.id != id))
            continue;
        any = true;
        if (is_signed_by(static_cast<EVP_PKEY*>(key.handle.get()), *algorithm, input, *signature))
            return *claims;
    }
    return std::unexpected(any ? "the JWT's signature is wrong" : "no key fits the JWT");
}

}  // namespace accounts
