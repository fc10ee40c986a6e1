#include "acme/jws.hpp"

#include "base/base64.hpp"
#include "base/check.hpp"

#include <nlohmann/json.hpp>
#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace acme {

using nlohmann::json;

namespace {

std::string flattened(const std::string& header, std::string_view payload, const std::string& signature) {
    json out = json::object();
    out["protected"] = header;
    out["payload"] = base64url(payload);
    out["signature"] = base64url(signature);
    return out.dump();
}

}  // namespace

std::string base64url(std::string_view octets) {
    std::string out = base::base64_encode(octets);
    while (out.ends_with('=')) out.pop_back();
    for (char& c : out) c = c == '+' ? '-' : c == '/' ? '_' : c;
    return out;
}

std::optional<std::string> base64url_decode(std::string_view text) {
    std::string plain(text);
    for (char& c : plain) {
        if (c == '+' || c == '/' || c == '=') return std::nullopt;
        c = c == '-' ? '+' : c == '_' ? '/' : c;
    }
    while (plain.size() % 4 != 0) plain += '=';
    return base::base64_decode(plain);
}

std::string sign_jws(const Key& key, const JwsHeader& header, std::string_view payload) {
    json fields = json::object();
    fields["alg"] = key.algorithm();
    fields["nonce"] = header.nonce;
    fields["url"] = header.url;
    if (header.account.empty())
        fields["jwk"] = json::parse(key.jwk());
    else
        fields["kid"] = header.account;
    const std::string head = base64url(fields.dump(-1, ' ', false, json::error_handler_t::replace));
    return flattened(head, payload, key.sign(head + "." + base64url(payload)));
}

std::string sign_binding(std::string_view hmac_key, const std::string& id, const std::string& url,
                         const Key& account_key) {
    json fields = json::object();
    fields["alg"] = "HS256";
    fields["kid"] = id;
    fields["url"] = url;
    const std::string head = base64url(fields.dump(-1, ' ', false, json::error_handler_t::replace));
    const std::string payload = account_key.jwk();
    const std::string input = head + "." + base64url(payload);
    std::string mac(32, '\0');
    unsigned size = 0;
    CHECK(HMAC(EVP_sha256(), hmac_key.data(), static_cast<int>(hmac_key.size()),
               reinterpret_cast<const unsigned char*>(input.data()), input.size(),
               reinterpret_cast<unsigned char*>(mac.data()), &size) != nullptr);
    return flattened(head, payload, mac);
}

}  // namespace acme
