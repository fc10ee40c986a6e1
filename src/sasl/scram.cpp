#include "sasl/scram.hpp"

#include "base/check.hpp"
#include "base/text.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace sasl {
namespace {

const EVP_MD* digest(ScramHash hash) { return hash == ScramHash::Sha1 ? EVP_sha1() : EVP_sha256(); }

std::string keyed(const EVP_MD* digest, std::string_view key, std::string_view text) {
    std::string out(EVP_MAX_MD_SIZE, '\0');
    unsigned size = 0;
    CHECK(HMAC(digest, key.data(), static_cast<int>(key.size()),
               reinterpret_cast<const unsigned char*>(text.data()), text.size(),
               reinterpret_cast<unsigned char*>(out.data()), &size) != nullptr);
    out.resize(size);
    return out;
}

std::string hashed(ScramHash hash, std::string_view text) {
    std::string out(EVP_MAX_MD_SIZE, '\0');
    unsigned size = 0;
    CHECK(EVP_Digest(text.data(), text.size(), reinterpret_cast<unsigned char*>(out.data()), &size,
                     digest(hash), nullptr) == 1);
    out.resize(size);
    return out;
}

std::string salted_password(ScramHash hash, std::string_view password, std::string_view salt,
                            std::uint32_t iterations) {
    std::string out(static_cast<std::size_t>(EVP_MD_get_size(digest(hash))), '\0');
    CHECK(PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()),
                            reinterpret_cast<const unsigned char*>(salt.data()),
                            static_cast<int>(salt.size()), static_cast<int>(iterations), digest(hash),
                            static_cast<int>(out.size()), reinterpret_cast<unsigned char*>(out.data())) == 1);
    return out;
}

std::string exclusive_or(std::string_view a, std::string_view b) {
    std::string out(a);
    for (std::size_t i = 0; i < out.size() && i < b.size(); ++i) out[i] = static_cast<char>(out[i] ^ b[i]);
    return out;
}

}  // namespace

std::string hmac(ScramHash hash, std::string_view key, std::string_view text) {
    return keyed(digest(hash), key, text);
}
std::string hmac_md5(std::string_view key, std::string_view text) { return keyed(EVP_md5(), key, text); }

ScramVerifier make_verifier(ScramHash hash, std::string_view password, std::string_view salt,
                            std::uint32_t iterations) {
    const std::string salted = salted_password(hash, password, salt, iterations);
    ScramVerifier out{hash, iterations, std::string(salt), "", ""};
    out.stored_key = hashed(hash, hmac(hash, salted, "Client Key"));
    out.server_key = hmac(hash, salted, "Server Key");
    return out;
}

std::optional<std::string_view> attribute(std::string_view message, char name) {
    for (const auto part : base::split(message, ','))
        if (part.size() >= 2 && part[0] == name && part[1] == '=') return part.substr(2);
    return std::nullopt;
}

std::string escape_name(std::string_view name) {
    std::string out;
    for (const char c : name) out += c == ',' ? "=2C" : c == '=' ? "=3D" : std::string(1, c);
    return out;
}

std::optional<std::string> unescape_name(std::string_view name) {
    std::string out;
    for (std::size_t i = 0; i < name.size(); ++i) {
        if (name[i] != '=') {
            out += name[i];
            continue;
        }
        const auto code = name.substr(i, 3);
        if (code != "=2C" && code != "=3D") return std::nullopt;
        out += code == "=2C" ? ',' : '=';
        i += 2;
    }
    return out;
}

std::optional<Gs2Header> parse_gs2_header(std::string_view message) {
    const auto first = message.find(',');
    const auto second = first == std::string_view::npos ? first : message.find(',', first + 1);
    if (second == std::string_view::npos) return std::nullopt;
    Gs2Header out;
    const auto flag = message.substr(0, first), authorize = message.substr(first + 1, second - first - 1);
    if (flag == "y") {
        out.flag = Gs2Header::Flag::NotOffered;
    } else if (flag.starts_with("p=") && flag.size() > 2) {
        out.flag = Gs2Header::Flag::Bound;
        out.binding_type = flag.substr(2);
    } else if (flag != "n") {
        return std::nullopt;
    }
    if (!authorize.empty()) {
        const auto name = authorize.starts_with("a=") ? unescape_name(authorize.substr(2)) : std::nullopt;
        if (!name || name->empty()) return std::nullopt;
        out.authorize_as = *name;
    }
    out.text = message.substr(0, second + 1);
    out.after = message.substr(second + 1);
    return out;
}

ScramProof client_proof(ScramHash hash, std::string_view password, std::string_view salt,
                        std::uint32_t iterations, std::string_view auth_message) {
    const std::string salted = salted_password(hash, password, salt, iterations);
    const std::string client_key = hmac(hash, salted, "Client Key");
    const std::string signature = hmac(hash, hashed(hash, client_key), auth_message);
    return {exclusive_or(client_key, signature), hmac(hash, hmac(hash, salted, "Server Key"), auth_message)};
}

bool proof_matches(const ScramVerifier& verifier, std::string_view proof, std::string_view auth_message) {
    if (proof.size() != verifier.stored_key.size()) return false;
    const std::string client_key =
        exclusive_or(proof, hmac(verifier.hash, verifier.stored_key, auth_message));
    return equal_in_constant_time(hashed(verifier.hash, client_key), verifier.stored_key);
}

std::string server_signature(const ScramVerifier& verifier, std::string_view auth_message) {
    return hmac(verifier.hash, verifier.server_key, auth_message);
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace sasl
