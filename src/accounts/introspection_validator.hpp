// Bearer tokens judged by the authorization server (RFC 7662; smtpd_oauth_validator = introspection:URL).
// Belongs to one loop.
#pragma once

#include "accounts/token_claims.hpp"
#include "env/clock.hpp"
#include "env/http.hpp"

namespace accounts {

struct IntrospectionSettings {
    std::string url;                       // https; http on loopback only
    std::string client_id, client_secret;  // HTTP Basic; an empty id: none
    std::string ca_pem;                    // empty: the system's authorities
    std::chrono::seconds timeout{10};
};
/// "" or why that URL may not be asked.
std::string introspection_url_problem(std::string_view url);

class IntrospectionValidator : public TokenValidator {
 public:
    /// `http`: nullptr: nobody can be asked (postrider check).
    IntrospectionValidator(IntrospectionSettings settings, TokenRules rules, env::Http* http,
                           env::Clock& clock)
        : settings_(std::move(settings)), rules_(std::move(rules)), http_(http), clock_(clock) {
        rules_.expiry = TokenRules::Expiry::IfGiven;  // the server has said "active"
    }
    env::Task<LoginAnswer> check(std::string token, std::string user) override;

 private:
    IntrospectionSettings settings_;
    TokenRules rules_;
    env::Http* http_;
    env::Clock& clock_;
};

}  // namespace accounts
