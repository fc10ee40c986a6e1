// Settings of logins on the listening side, under their main.cf names (RFC 4954).
#pragma once

#include "base/parameter.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace app {

enum class SaslType { Postrider, PasswdFile, Dovecot, Pam, Cyrus };
constexpr auto enum_words(SaslType) {
    return std::array<std::pair<std::string_view, SaslType>, 5>{{{"postrider", SaslType::Postrider},
                                                                 {"passwd-file", SaslType::PasswdFile},
                                                                 {"dovecot", SaslType::Dovecot},
                                                                 {"pam", SaslType::Pam},
                                                                 {"cyrus", SaslType::Cyrus}}};
}

struct AuthOptions {
    bool enable = false, auth_only = true, old_clients = false;
    SaslType type = SaslType::Postrider;
    std::string path, service, user_file, local_domain;
    std::vector<std::string> mechanism_filter, exceptions, security, tls_security;
    std::chrono::seconds pam_timeout{20};
    std::uint32_t pam_concurrency = 20;
    static constexpr void describe(auto& parameter) {
        using namespace std::chrono_literals;
        using O = AuthOptions;
        using base::Between;
        using base::Default;
        parameter("smtpd_sasl_auth_enable", &O::enable, Default{"no"}, "Offer AUTH (RFC 4954).");
        parameter(
            "smtpd_sasl_type", &O::type, Default{"postrider"},
            "Who knows the passwords: postrider (postrider user), passwd-file (smtpd_sasl_path names the "
            "file), dovecot (smtpd_sasl_path names its auth socket), pam (smtpd_sasl_path names the "
            "service).");
        parameter(
            "smtpd_sasl_path", &O::path, Default{"smtpd"},
            "Dovecot's auth socket (relative to queue_directory, or inet:host:port), a user file, or PAM's "
            "service; when it is not set PAM's is smtpd_sasl_service.");
        parameter("smtpd_sasl_service", &O::service, Default{"smtp"},
                  "The name of the service that PAM and Dovecot are told.");
        parameter("postrider_user_file", &O::user_file, Default{"$data_directory/users"},
                  "The users of smtpd_sasl_type = postrider.");
        parameter(
            "smtpd_tls_auth_only", &O::auth_only, Default{"yes"},
            "Offer AUTH only with TLS. Written as no, clients on the loopback interface may log in without.");
        parameter("smtpd_sasl_security_options", &O::security, Default{"noanonymous"},
                  "What mechanisms must have without TLS: noanonymous, noplaintext, noactive, nodictionary, "
                  "forward_secrecy, mutual_auth.");
        parameter("smtpd_sasl_tls_security_options", &O::tls_security,
                  Default{"$smtpd_sasl_security_options"}, "The same with TLS.");
        parameter("smtpd_sasl_local_domain", &O::local_domain, Default{""},
                  "A user file is also asked for a login name without a domain with this one behind it.");
        parameter(
            "smtpd_sasl_mechanism_filter", &O::mechanism_filter, Default{""},
            "The mechanisms to offer; !name excludes, static:rest is all others; empty: all that the user "
            "store can serve.");
        parameter("smtpd_sasl_exceptions_networks", &O::exceptions, Default{""},
                  "Clients that are not offered AUTH.");
        parameter("broken_sasl_auth_clients", &O::old_clients, Default{"no"},
                  "Also offer AUTH in the form that very old clients look for.");
        parameter("smtpd_pam_timeout", &O::pam_timeout, Between{1s, 600s}, Default{"20s"},
                  "How long PAM may take for a login.");
        parameter("smtpd_pam_concurrency_limit", &O::pam_concurrency, Between{1, 1000}, Default{"20"},
                  "How many logins PAM is asked about at the same time, for each network loop.");
    }
};

/// Bearer tokens (RFC 7628): who judges them, and what they must say.
struct TokenOptions {
    std::string validator, issuer, audience, user_claim, metadata, client_id, client_secret_file, ca_file;
    std::vector<std::string> scopes;
    std::chrono::seconds leeway{60}, timeout{10};
    static constexpr void describe(auto& parameter) {
        using namespace std::chrono_literals;
        using O = TokenOptions;
        using base::Between;
        using base::Default;
        parameter(
            "smtpd_oauth_validator", &O::validator, Default{""},
            "Who judges the tokens of OAUTHBEARER and XOAUTH2: jwks:/path (JWTs, with the keys of that JWK "
            "set) or introspection:https://... (the authorization server, RFC 7662); empty: they are not "
            "offered.");
        parameter("smtpd_oauth_issuer", &O::issuer, Default{""},
                  "The issuer (iss) a token must name; empty: any.");
        parameter("smtpd_oauth_audience", &O::audience, Default{""},
                  "The audience (aud) a token must be for; with jwks: it must be set.");
        parameter("smtpd_oauth_scope", &O::scopes, Default{""}, "The scopes a token must have, all of them.");
        parameter("smtpd_oauth_user_claim", &O::user_claim, Default{"email"},
                  "The claim that is the user's name.");
        parameter("smtpd_oauth_clock_skew", &O::leeway, Between{0s, 3600s}, Default{"60s"},
                  "How far the issuer's clock may be from ours.");
        parameter("smtpd_oauth_timeout", &O::timeout, Between{1s, 300s}, Default{"10s"},
                  "How long the authorization server may take to answer.");
        parameter("smtpd_oauth_client_id", &O::client_id, Default{""},
                  "Our name at the authorization server; empty: it wants none.");
        parameter("smtpd_oauth_client_secret_file", &O::client_secret_file, Default{""},
                  "A file whose first line is our password there.");
        parameter("smtpd_oauth_CAfile", &O::ca_file, Default{""},
                  "The authorities trusted for the authorization server; empty: the system's.");
        parameter(
            "smtpd_oauth_metadata_url", &O::metadata, Default{""},
            "Told to clients whose token was refused: where the authorization server describes itself (RFC "
            "8414).");
    }
};

}  // namespace app
