// What a token must say, and whom it names: the claims of a JWT (RFC 7519 §4.1) or of an introspection answer
// (RFC 7662 §2.2). Pure: `now` is an argument.
#pragma once

#include "accounts/authenticator.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace accounts {

struct TokenRules {
    std::string issuer;               // "iss"; empty: not asked for
    std::string audience;             // one of "aud"; empty: not asked for
    std::vector<std::string> scopes;  // all of "scope" (RFC 8693 §4.2), or of "scp"
    std::string user_claim = "email";
    std::chrono::seconds leeway{60};  // how far the issuer's clock may be from ours
    enum class Expiry { Required, IfGiven } expiry = Expiry::Required;
};

/// Right, with the user; Wrong, with the reason; never Unknown. `user`: whom the client says it is, may be
/// empty; their case does not matter.
LoginAnswer judge_claims(std::string_view claims, const TokenRules& rules, std::string_view user,
                         std::int64_t now);

}  // namespace accounts
