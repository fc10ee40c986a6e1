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
    out["payload"] = base::base64url_encode(payload);
    out["signature"] = base::base64url_encode(signature);
    return out.dump();
}

}  // namespace

std::string sign_jws(const Key& key, const JwsHeader& header, std::string_view payload) {
    json fields = json::object();
    fields["alg"] = key.algorithm();
    fields["nonce"] = header.nonce;
    fields["url"] = header.url;
    if (header.account.empty())
        fields["jwk"] = json::parse(key.jwk());
    else
        fields["kid"] = header.account;
    const std::string head =
        base::base64url_encode(fields.dump(-1, ' ', false, json::error_handler_t::replace));
    return flattened(head, payload, key.sign(head + "." + base::base64url_encode(payload)));
}

std::string sign_binding(std::string_view hmac_key, const std::string& id, const std::string& url,
                         const Key& account_key) {
    json fields = json::object();
    fields["alg"] = "HS256";
    fields["kid"] = id;
    fields["url"] = url;
    const std::string head =
        base::base64url_encode(fields.dump(-1, ' ', false, json::error_handler_t::replace));
    const std::string payload = account_key.jwk();
    const std::string input = head + "." + base::base64url_encode(payload);
    std::string mac(32, '\0');
    unsigned size = 0;
    CHECK(HMAC(EVP_sha256(), hmac_key.data(), static_cast<int>(hmac_key.size()),
               reinterpret_cast<const unsigned char*>(input.data()), input.size(),
               reinterpret_cast<unsigned char*>(mac.data()), &size) != nullptr);
    return flattened(head, payload, mac);
}

}  // namespace acme
