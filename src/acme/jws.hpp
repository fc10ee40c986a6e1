// Signed requests: JWS in the flattened JSON form (RFC 7515 §7.2.2) as RFC 8555 §6.2 wants them. Pure.
#pragma once

#include "acme/key.hpp"

#include <string>
#include <string_view>

namespace acme {

struct JwsHeader {
    std::string url;
    std::string nonce;
    std::string account;  // the account's URL ("kid"); empty: the public key itself ("jwk")
};

std::string sign_jws(const Key& key, const JwsHeader& header, std::string_view payload);

/// A binding of `account_key` to an account that exists elsewhere (RFC 8555 §7.3.4): HMAC-SHA256 over its
/// jwk.
std::string sign_binding(std::string_view hmac_key, const std::string& id, const std::string& url,
                         const Key& account_key);

}  // namespace acme
