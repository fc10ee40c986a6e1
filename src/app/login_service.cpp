#include "app/login_service.hpp"

#include "accounts/dovecot_authenticator.hpp"
#include "accounts/file_authenticator.hpp"
#include "accounts/introspection_validator.hpp"
#include "accounts/jwks_validator.hpp"
#include "base/result.hpp"
#include "base/text.hpp"
#include "config/bind.hpp"
#include "delivery/next_hop.hpp"
#include "sasl/mechanism_filter.hpp"

#include <fmt/format.h>

namespace app {
namespace {

accounts::FileServices file_services(LoopEnvironment environment) {
    return {environment.files, environment.workers, environment.loop.clock(), environment.events};
}

using accounts::Authenticator;
using Made = std::expected<std::shared_ptr<Authenticator>, std::string>;

Made from_file(const std::string& path, const AuthOptions& options, LoopEnvironment environment,
               const std::string& secret) {
    TRY_ASSIGN(auto made, accounts::FileAuthenticator::make({path, options.local_domain, secret},
                                                            file_services(environment)));
    return std::shared_ptr<Authenticator>(std::move(made));
}

Made from_dovecot(const config::Configuration& configuration, const AuthOptions& options,
                  LoopEnvironment environment) {
    const auto hop = delivery::parse_next_hop(
        options.path.starts_with("inet:") || options.path.starts_with("unix:") ? options.path
                                                                               : "unix:" + options.path,
        0);
    if (!hop) return std::unexpected(fmt::format("smtpd_sasl_path: '{}' is not a socket", options.path));
    env::Endpoint socket;
    if (hop->unix_path.empty()) {
        const auto address = env::IpAddress::parse(hop->host == "localhost" ? "127.0.0.1" : hop->host);
        if (!address || hop->port == 0)
            return std::unexpected(fmt::format("smtpd_sasl_path: '{}' is not an address", options.path));
        socket = {*address, hop->port, {}};
    } else {
        socket.unix_path = delivery::socket_path(configuration.get("queue_directory"), hop->unix_path);
    }
    const accounts::DovecotAuthenticator::Services services{environment.network, environment.loop,
                                                            environment.random};
    return std::make_shared<accounts::DovecotAuthenticator>(services, std::move(socket), options.service);
}

Made from_pam(const config::Configuration& configuration, const AuthOptions& options,
              LoopEnvironment environment) {
    const bool named = configuration.is_set("smtpd_sasl_path");
    const std::string& service = named ? options.path : options.service;
    if (!accounts::is_pam_service_name(service))
        return std::unexpected(
            fmt::format("{}: '{}' is not the name of a PAM service: letters, digits, '-' and '_'",
                        named ? "smtpd_sasl_path" : "smtpd_sasl_service", service));
    return std::make_shared<accounts::PamAuthenticator>(
        accounts::PamAuthenticator::Settings{service, options.pam_timeout, options.pam_concurrency},
        environment.pam);
}

Made make_authenticator(const config::Configuration& configuration, const AuthOptions& options,
                        LoopEnvironment environment, const std::string& secret) {
    switch (options.type) {
        case SaslType::Postrider:
            return from_file(options.user_file, options, environment, secret);
        case SaslType::PasswdFile:
            return from_file(options.path, options, environment, secret);
        case SaslType::Dovecot:
            return from_dovecot(configuration, options, environment);
        case SaslType::Pam:
            return from_pam(configuration, options, environment);
        case SaslType::Cyrus:
            break;
    }
    return std::unexpected(
        "smtpd_sasl_type = cyrus: Cyrus SASL is not supported; use dovecot, pam, passwd-file or postrider");
}

std::expected<std::string, std::string> first_line(const std::string& parameter, const std::string& path,
                                                   env::FileSystem& files) {
    constexpr std::uint64_t octets_max = 4096;
    const auto text = files.read(path, octets_max);
    if (!text) return std::unexpected(fmt::format("{}: {}: {}", parameter, path, env::to_text(text.error())));
    return text->substr(0, text->find_first_of("\r\n"));
}

std::expected<std::shared_ptr<accounts::TokenValidator>, std::string> make_tokens(
    const TokenOptions& options, LoopEnvironment environment) {
    constexpr std::string_view jwks = "jwks:", introspection = "introspection:";
    accounts::TokenRules rules{options.issuer,     options.audience, options.scopes,
                               options.user_claim, options.leeway,   accounts::TokenRules::Expiry::Required};
    const auto& validator = options.validator;
    if (validator.starts_with(jwks)) {
        // Without it a token made for any other service of the same issuer would open this one.
        if (options.audience.empty())
            return std::unexpected(
                "smtpd_oauth_validator = jwks: smtpd_oauth_audience must name this service");
        auto made = accounts::JwksValidator::make(validator.substr(jwks.size()), std::move(rules),
                                                  file_services(environment));
        if (!made) return std::unexpected("smtpd_oauth_validator: " + made.error());
        return std::shared_ptr<accounts::TokenValidator>(std::move(*made));
    }
    if (!validator.starts_with(introspection))
        return std::unexpected(fmt::format(
            "smtpd_oauth_validator: '{}' is neither jwks:/path nor introspection:https://...", validator));
    accounts::IntrospectionSettings settings;
    settings.url = validator.substr(introspection.size());
    settings.client_id = options.client_id;
    settings.timeout = options.timeout;
    if (const auto problem = accounts::introspection_url_problem(settings.url); !problem.empty())
        return std::unexpected("smtpd_oauth_validator: " + problem);
    if (!options.client_secret_file.empty()) {
        TRY_ASSIGN(settings.client_secret, first_line("smtpd_oauth_client_secret_file",
                                                      options.client_secret_file, environment.files));
    }
    if (!options.ca_file.empty()) {
        constexpr std::uint64_t ca_octets_max = 8 << 20;
        auto pem = environment.files.read(options.ca_file, ca_octets_max);
        if (!pem)
            return std::unexpected(
                fmt::format("smtpd_oauth_CAfile: {}: {}", options.ca_file, env::to_text(pem.error())));
        settings.ca_pem = std::move(*pem);
    }
    return std::make_shared<accounts::IntrospectionValidator>(std::move(settings), std::move(rules),
                                                              environment.http, environment.loop.clock());
}

std::expected<std::vector<std::string>, std::string> offered(const std::vector<std::string>& names,
                                                             const std::vector<std::string>& security,
                                                             std::string_view parameter) {
    auto out = sasl::with_security(names, security);
    if (!out) return std::unexpected(fmt::format("{}: {}", parameter, out.error()));
    return out;
}

}  // namespace

std::expected<LoginService, std::string> make_login(const config::Configuration& configuration,
                                                    const AuthOptions& options, smtp::TlsOffer tls,
                                                    LoopEnvironment environment) {
    LoginService out;
    if (!options.enable) return out;
    constexpr std::size_t secret_octets = 32;
    std::string secret = environment.login_secret;
    if (secret.empty()) {
        secret.resize(secret_octets);
        environment.random.fill(secret);
    }
    TRY_ASSIGN(out.authenticator, make_authenticator(configuration, options, environment, secret));
    auto names = out.authenticator->mechanisms();
    config::Diagnostics said_elsewhere;
    const auto tokens = config::bind<TokenOptions>(configuration, said_elsewhere);
    if (!tokens.validator.empty()) {
        TRY_ASSIGN(out.tokens, make_tokens(tokens, environment));
        names.insert(names.end(), {"OAUTHBEARER", "XOAUTH2"});
    }
    auto wanted = sasl::filtered(std::move(names), options.mechanism_filter);
    if (!wanted) return std::unexpected("smtpd_sasl_mechanism_filter: " + wanted.error());
    smtp::AuthOffer offer;
    TRY_ASSIGN(offer.encrypted, offered(*wanted, options.tls_security, "smtpd_sasl_tls_security_options"));
    if (offer.encrypted.empty())
        return std::unexpected(
            "smtpd_sasl_auth_enable = yes, and smtpd_sasl_tls_security_options with "
            "smtpd_sasl_mechanism_filter "
            "leave no mechanism");
    offer.old_clients = options.old_clients;
    offer.decoy = std::move(secret);
    for (const auto& scope : tokens.scopes)
        offer.bearer_scope += (offer.bearer_scope.empty() ? "" : " ") + scope;
    offer.bearer_metadata = tokens.metadata;
    out.offer = std::make_shared<const smtp::AuthOffer>(offer);
    TRY_ASSIGN(auto in_clear, offered(*wanted, options.security, "smtpd_sasl_security_options"));
    if (!options.auth_only && tls != smtp::TlsOffer::Required) offer.in_clear = std::move(in_clear);
    out.loopback_offer = std::make_shared<const smtp::AuthOffer>(std::move(offer));
    return out;
}

}  // namespace app
