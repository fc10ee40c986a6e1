#include "accounts/password.hpp"

#include "accounts/password_cost.hpp"
#include "base/base64.hpp"
#include "base/check.hpp"
#include "base/text.hpp"
#include "sasl/prepare.hpp"

#include <algorithm>
#include <argon2.h>
#include <crypt.h>
#include <fmt/format.h>
#include <memory>
#include <openssl/evp.h>

namespace accounts {
namespace {

// RFC 9106 §4's second choice, with a third of its lanes: about 50 ms and 64 MiB for one login.
constexpr std::uint32_t argon2_passes = 3, argon2_kibibytes = 64 * 1024, argon2_lanes = 1;
constexpr std::size_t argon2_octets = 32;

struct Split {
    std::string scheme, text;
};
Split split_scheme(std::string_view stored) {
    if (stored.starts_with('{'))
        if (const auto end = stored.find('}'); end != std::string_view::npos)
            return {base::upper(stored.substr(1, end - 1)), std::string(stored.substr(end + 1))};
    return {stored.starts_with("$argon2") ? "ARGON2ID" : "CRYPT", std::string(stored)};
}

bool is_plain(std::string_view scheme) {
    return scheme == "PLAIN" || scheme == "CLEARTEXT" || scheme == "CLEAR";
}

bool crypt_matches(const std::string& hash, const std::string& password) {
    if (hash.size() < 13 || hash.front() == '!' || hash.front() == '*' || !crypt_is_affordable(hash))
        return false;
    const auto data = std::make_unique<crypt_data>();
    const char* got = crypt_rn(password.c_str(), hash.c_str(), data.get(), sizeof(crypt_data));
    return got && sasl::equal_in_constant_time(got, hash);
}

bool argon2_matches(const std::string& hash, std::string_view password, argon2_type type) {
    return argon2_is_affordable(hash) &&
           argon2_verify(hash.c_str(), password.data(), password.size(), type) == ARGON2_OK;
}

// base64 or hex of the digest, with the salt behind it where there is one.
bool digest_matches(const EVP_MD* digest, std::string_view text, std::string_view password) {
    const auto size = static_cast<std::size_t>(EVP_MD_get_size(digest));
    auto octets = text.size() == 2 * size ? base::from_hex(text) : base::base64_decode(text);
    if (!octets || octets->size() < size) return false;
    const std::string salted = std::string(password) + octets->substr(size);
    std::string got(size, '\0');
    unsigned length = 0;
    CHECK(EVP_Digest(salted.data(), salted.size(), reinterpret_cast<unsigned char*>(got.data()), &length,
                     digest, nullptr) == 1);
    return sasl::equal_in_constant_time(got, std::string_view(*octets).substr(0, size));
}

bool scram_matches(std::string_view text, std::string_view password, sasl::ScramHash hash) {
    const auto verifier = parse_verifier(text, hash);
    return verifier &&
           sasl::equal_in_constant_time(
               sasl::make_verifier(hash, password, verifier->salt, verifier->iterations).stored_key,
               verifier->stored_key);
}

// Dovecot's form: $1$SALT$ROUNDS$ and the digest in hex; HMAC-SHA1.
bool pbkdf2_matches(std::string_view text, std::string_view password) {
    const auto parts = base::split(text, '$');
    if (parts.size() != 5 || !parts[0].empty() || parts[1] != "1") return false;
    const auto rounds = base::parse_number(parts[3], password_rounds_max);
    const auto digest = base::from_hex(parts[4]);
    constexpr std::size_t octets = 20;
    if (!rounds || *rounds == 0 || parts[2].empty() || !digest || digest->size() != octets) return false;
    std::string got(octets, '\0');
    CHECK(PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()),
                            reinterpret_cast<const unsigned char*>(parts[2].data()),
                            static_cast<int>(parts[2].size()), static_cast<int>(*rounds), EVP_sha1(),
                            static_cast<int>(octets), reinterpret_cast<unsigned char*>(got.data())) == 1);
    return sasl::equal_in_constant_time(got, *digest);
}

bool plain_matches(std::string_view text, std::string_view encoding, std::string_view password) {
    const auto octets = encoding == "B64" || encoding == "BASE64" ? base::base64_decode(text)
                        : encoding == "HEX"                       ? base::from_hex(text)
                                                                  : std::optional(std::string(text));
    return octets && sasl::equal_in_constant_time(*octets, password);
}

constexpr std::string_view crypt_schemes[] = {"CRYPT",     "SHA512-CRYPT", "SHA256-CRYPT", "BLF-CRYPT",
                                              "MD5-CRYPT", "MD5",          "DES-CRYPT"};
constexpr std::string_view other_schemes[] = {"PLAIN",   "CLEARTEXT",     "CLEAR",       "ARGON2ID",
                                              "ARGON2I", "SCRAM-SHA-256", "SCRAM-SHA-1", "PBKDF2"};
struct DigestScheme {
    std::string_view name;
    const EVP_MD* (*digest)();
};
constexpr DigestScheme digest_schemes[] = {
    {"SHA", EVP_sha1},       {"SHA1", EVP_sha1},     {"SSHA", EVP_sha1},      {"SHA256", EVP_sha256},
    {"SSHA256", EVP_sha256}, {"SHA512", EVP_sha512}, {"SSHA512", EVP_sha512}, {"PLAIN-MD5", EVP_md5},
    {"LDAP-MD5", EVP_md5},   {"SMD5", EVP_md5}};

bool matches_as_given(std::string_view stored, std::string_view password) {
    const auto [scheme, text] = split_scheme(stored);
    const auto dot = std::min(scheme.find('.'), scheme.size());  // "SSHA.HEX"
    const std::string bare = scheme.substr(0, dot);
    if (text.empty() || password.empty() || password.find('\0') != std::string_view::npos) return false;
    if (is_plain(bare))
        return plain_matches(text, std::string_view(scheme).substr(std::min(dot + 1, scheme.size())),
                             password);
    if (bare == "PBKDF2") return pbkdf2_matches(text, password);
    if (bare == "ARGON2ID") return argon2_matches(text, password, Argon2_id);
    if (bare == "ARGON2I") return argon2_matches(text, password, Argon2_i);
    if (bare == "SCRAM-SHA-256") return scram_matches(text, password, sasl::ScramHash::Sha256);
    if (bare == "SCRAM-SHA-1") return scram_matches(text, password, sasl::ScramHash::Sha1);
    if (std::ranges::find(crypt_schemes, bare) != std::end(crypt_schemes))
        return crypt_matches(text, std::string(password));
    const auto* digest = std::ranges::find(digest_schemes, bare, &DigestScheme::name);
    return digest != std::end(digest_schemes) && digest_matches(digest->digest(), text, password);
}

}  // namespace

bool password_matches(std::string_view stored, std::string_view password) {
    if (matches_as_given(stored, password)) return true;
    const auto prepared = sasl::prepared(password);  // RFC 4616 §2
    return prepared && *prepared != password && matches_as_given(stored, *prepared);
}

std::optional<std::string> plain_password(std::string_view stored) {
    const auto [scheme, text] = split_scheme(stored);
    if (!is_plain(scheme) || text.empty()) return std::nullopt;
    return text;
}

bool is_known_scheme(std::string_view stored) {
    const auto [scheme, text] = split_scheme(stored);
    const std::string bare = scheme.substr(0, scheme.find('.'));
    return std::ranges::find(other_schemes, bare) != std::end(other_schemes) ||
           std::ranges::find(crypt_schemes, bare) != std::end(crypt_schemes) ||
           std::ranges::find(digest_schemes, bare, &DigestScheme::name) != std::end(digest_schemes);
}

std::string hash_password(std::string_view password, std::string_view salt) {
    std::string out(argon2_encodedlen(argon2_passes, argon2_kibibytes, argon2_lanes,
                                      static_cast<std::uint32_t>(salt.size()), argon2_octets, Argon2_id),
                    '\0');
    CHECK(argon2id_hash_encoded(argon2_passes, argon2_kibibytes, argon2_lanes, password.data(),
                                password.size(), salt.data(), salt.size(), argon2_octets, out.data(),
                                out.size()) == ARGON2_OK);
    out.resize(out.find('\0'));
    return "{ARGON2ID}" + out;
}

std::string verifier_text(const sasl::ScramVerifier& verifier) {
    return fmt::format("{},{},{},{}", verifier.iterations, base::base64_encode(verifier.salt),
                       base::base64_encode(verifier.stored_key), base::base64_encode(verifier.server_key));
}

std::optional<sasl::ScramVerifier> parse_verifier(std::string_view text, sasl::ScramHash hash) {
    const auto parts = base::split(text, ',');
    const std::size_t octets = hash == sasl::ScramHash::Sha1 ? 20 : 32;
    if (parts.size() != 4) return std::nullopt;
    const auto iterations = base::parse_number(parts[0], sasl::scram_iterations_max);
    const auto salt = base::base64_decode(parts[1]), stored = base::base64_decode(parts[2]),
               server = base::base64_decode(parts[3]);
    if (!iterations || *iterations == 0 || !salt || salt->empty() || !stored || stored->size() != octets ||
        !server || server->size() != octets)
        return std::nullopt;
    return sasl::ScramVerifier{hash, static_cast<std::uint32_t>(*iterations), *salt, *stored, *server};
}

}  // namespace accounts
