#include "accounts/token_claims.hpp"

#include "base/text.hpp"
#include "sasl/prepare.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <optional>

namespace accounts {
namespace {

using nlohmann::json;

constexpr std::size_t user_octets_max = 255;

/// NumericDate (RFC 7519 §2), which may have a fraction. nullopt: not a number that a date can be.
std::optional<std::int64_t> date(const json& value) {
    constexpr double date_max = 1e15;
    if (!value.is_number()) return std::nullopt;
    const double seconds = value.get<double>();
    if (!std::isfinite(seconds) || std::abs(seconds) > date_max) return std::nullopt;
    return static_cast<std::int64_t>(seconds);
}

/// "" or what is wrong with the times.
std::string time_problem(const json& claims, const TokenRules& rules, std::int64_t now) {
    const std::int64_t leeway = rules.leeway.count();
    const auto read = [&](const char* name) -> std::optional<std::optional<std::int64_t>> {
        const auto found = claims.find(name);
        if (found == claims.end()) return std::nullopt;
        return date(*found);
    };
    const auto expires = read("exp"), begins = read("nbf"), issued = read("iat");
    for (const auto& one : {expires, begins, issued})
        if (one && !*one) return "the token's dates are malformed";
    if (!expires && rules.expiry == TokenRules::Expiry::Required)
        return "the token does not say when it expires";
    if (expires && **expires + leeway <= now) return "the token has expired";
    if ((begins && **begins - leeway > now) || (issued && **issued - leeway > now))
        return "the token is not valid yet";
    return "";
}

std::string text_of(const json& claims, const std::string& name) {
    const auto found = claims.find(name);
    return found != claims.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// A string, or one of an array of strings (RFC 7519 §4.1.3).
bool is_among(const json& claims, const char* name, const std::string& wanted) {
    const auto found = claims.find(name);
    if (found == claims.end()) return false;
    if (found->is_string()) return found->get<std::string>() == wanted;
    return found->is_array() && std::ranges::any_of(*found, [&](const json& one) {
               return one.is_string() && one.get<std::string>() == wanted;
           });
}

bool has_scope(const json& claims, const std::string& wanted) {
    for (const auto* name : {"scope", "scp"}) {
        const std::string text = text_of(claims, name);
        if (std::ranges::any_of(base::split_any(text, " "), [&](const auto word) { return word == wanted; }))
            return true;
        if (is_among(claims, name, wanted)) return true;
    }
    return false;
}

}  // namespace

LoginAnswer judge_claims(std::string_view text, const TokenRules& rules, std::string_view user,
                         std::int64_t now) {
    const json claims = json::parse(text, nullptr, false);
    if (!claims.is_object()) return login_wrong("the token's claims are malformed");
    if (auto problem = time_problem(claims, rules, now); !problem.empty())
        return login_wrong(std::move(problem));
    if (!rules.issuer.empty() && text_of(claims, "iss") != rules.issuer)
        return login_wrong("the token is of another issuer");
    if (!rules.audience.empty() && !is_among(claims, "aud", rules.audience))
        return login_wrong("the token is for another audience");
    for (const auto& scope : rules.scopes) {
        if (has_scope(claims, scope)) continue;
        auto out = login_wrong("the token lacks a scope");
        out.problem = sasl::TokenProblem::InsufficientScope;
        return out;
    }
    const auto name = sasl::prepared(text_of(claims, rules.user_claim));
    if (!name || name->size() > user_octets_max)
        return login_wrong(fmt::format("the token's claim {} names no user", rules.user_claim));
    // Whoever can write any address into their profile is not yet its owner (OpenID Connect Core §5.1).
    const auto verified = claims.find("email_verified");
    if (rules.user_claim == "email" && verified != claims.end() && *verified != true)
        return login_wrong("the token's e-mail address is not verified");
    if (!user.empty() && !base::iequals(user, *name)) return login_wrong("the token is another user's");
    return login_right(*name);
}

}  // namespace accounts
