#include "app/front.hpp"

#include "app/login_service.hpp"
#include "app/message_rules.hpp"
#include "app/tls_service.hpp"
#include "base/result.hpp"
#include "base/text.hpp"
#include "queue/postmaster.hpp"
#include "reports/inbox.hpp"
#include "routing/mail_hosts.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace app {
namespace {

// "postfix/submission" as -o syslog_name of a service: its log name is "submission/smtpd".
std::string log_name(const config::Configuration& configuration) {
    const std::string name = configuration.get("syslog_name");
    const auto slash = name.find('/');
    return slash == std::string::npos ? "smtpd" : name.substr(slash + 1) + "/smtpd";
}

/// Header and body checks, header rewriting, and what receive_override_options leaves of them.
std::expected<void, std::string> add_message_rules(server::SmtpService& service,
                                                   policy::FilterOptions options,
                                                   FrontGeneration& generation) {
    routing::Routing& routing = *generation.routing;
    const bool maps = !options.overridden("no_address_mappings");
    const std::string remote_domain = options.remote_domain;
    TRY_ASSIGN(service.filter, policy::make_filter_rules(std::move(options), *generation.factory));
    if (!maps) return {};
    service.rewrite_mended = rewrite_for_own_users(routing);
    if (!remote_domain.empty()) service.rewrite_foreign = rewrite_for_others(routing, remote_domain);
    service.expand = [&routing](mail::Envelope envelope) { return routing.expand(std::move(envelope)); };
    return {};
}

/// A list that cannot be asked now holds nobody.
template <class List, class Item>
env::Task<bool> is_in(std::shared_ptr<List> list, Item item) {
    auto inside = co_await list->contains(std::move(item));
    co_return inside.value_or(false);
}

std::expected<std::shared_ptr<const server::SmtpService>, std::string> make_service(
    const config::Configuration& configuration, const std::vector<config::Service>& services_of_site,
    LoopEnvironment environment, std::shared_ptr<FrontGeneration> generation) {
    const std::set<env::IpAddress>& own_addresses = generation->own_addresses;
    config::Diagnostics diagnostics;
    auto service = std::make_shared<server::SmtpService>();
    service->name = log_name(configuration);
    service->options = std::make_shared<const smtp::ServerOptions>(
        config::bind<smtp::ServerOptions>(configuration, diagnostics));
    service->limits = config::bind<server::ClientLimitOptions>(configuration, diagnostics);
    const auto tls_options = config::bind<TlsServerOptions>(configuration, diagnostics);
    auto policy_options = config::bind<policy::PolicyOptions>(configuration, diagnostics);
    auto filter_options =
        config::bind<policy::FilterOptions>(with_cleanup(configuration, services_of_site), diagnostics);
    if (filter_options.overridden("no_unknown_recipient_checks"))
        policy_options.reject_unlisted_recipient = false;
    if (diagnostics.has_errors()) {
        for (const auto& d : diagnostics.list())
            if (d.severity == config::Severity::Error) return std::unexpected(d.render());
    }
    TRY_ASSIGN(const TlsChoice tls, make_tls(tls_options, configuration, environment));
    service->tls = tls.context;
    service->tls_offer = tls.offer;
    service->tls_from_start = tls_options.wrapper_mode;
    service->tls_log_level = tls_options.log_level;
    service->peer_name_lookup = tls_options.peer_name_lookup;
    service->name_in_hosts_file = [files = &environment.files](const env::IpAddress& address) {
        const auto text = files->read(routing::hosts_path, routing::hosts_octets_max);
        return text ? routing::name_in_hosts_file(*text, address) : std::string();
    };
    const auto clients = [&](std::string_view name, const std::vector<std::string>& items,
                             server::AddressTest& test) -> std::expected<void, std::string> {
        std::string text;
        for (const auto& item : items) text += item + " ";
        auto made = routing::NetworkList::make(text, *generation->factory, environment.files);
        if (!made) return std::unexpected(fmt::format("{}: {}", name, made.error()));
        const auto list = std::make_shared<routing::NetworkList>(std::move(*made));
        test = [list](env::IpAddress address) { return is_in(list, std::move(address)); };
        return {};
    };
    TRY(clients("smtpd_client_event_limit_exceptions", service->limits.exceptions, service->without_limits));
    TRY(clients("smtpd_forbid_bare_newline_exclusions", service->options->bare_newline_exclusions,
                service->bare_newline_allowed));
    auto flushed = routing::DomainList::make(service->options->fast_flush_domains, *generation->factory,
                                             environment.files, routing::Subdomains::Parents);
    if (!flushed) return std::unexpected("fast_flush_domains: " + flushed.error());
    service->may_flush = [list = std::make_shared<routing::DomainList>(std::move(*flushed))](
                             std::string domain) { return is_in(list, std::move(domain)); };
    const auto maps = [&](std::string_view name, const std::string& specs,
                          tables::TableList& to) -> std::expected<void, std::string> {
        auto made = generation->factory->open_list(specs);
        if (!made) return std::unexpected(fmt::format("{}: {}", name, made.error().text));
        to = std::move(*made);
        return {};
    };
    TRY(maps("smtpd_discard_ehlo_keyword_address_maps", service->options->discard_ehlo_maps,
             service->discard_ehlo_keyword_maps));
    TRY(maps("smtpd_command_filter", service->options->command_filter, service->command_filter));
    TRY(clients("smtpd_authorized_xclient_hosts", service->options->xclient_hosts, service->may_xclient));
    TRY(clients("smtpd_authorized_xforward_hosts", service->options->xforward_hosts, service->may_xforward));
    TRY(clients("smtpd_upstream_proxy_hosts", service->options->upstream_proxy_hosts, service->may_proxy));
    const auto auth_options = config::bind<AuthOptions>(configuration, diagnostics);
    TRY_ASSIGN(auto login, make_login(configuration, auth_options, tls.offer, environment));
    service->authenticator = std::move(login.authenticator);
    service->tokens = std::move(login.tokens);
    service->auth = std::move(login.offer);
    service->auth_of_loopback = std::move(login.loopback_offer);
    service->reporting = config::bind<queue::PostmasterOptions>(configuration, diagnostics).reporting();
    service->throttle = config::bind<accounts::ThrottleOptions>(configuration, diagnostics);
    const auto repair = config::bind<RepairOptions>(configuration, diagnostics);
    service->repair_always = repair.always;
    if (repair.append_at_my_origin) service->append_domain = repair.my_origin;
    service->author_check = repair.author_check;
    auto mended = policy::RewriteClients::make(
        repair.clients, {*generation->factory, environment.files, own_addresses, policy_options.my_networks});
    if (!mended) return std::unexpected("local_header_rewrite_clients: " + mended.error());
    service->mended_for = std::move(*mended);
    service->asks_certificate = tls_options.ask_certificate || tls_options.require_certificate;
    TRY_ASSIGN(service->accounts,
               policy::AccountPolicy::make(config::bind<policy::AccountOptions>(configuration, diagnostics),
                                           *generation->factory));
    TRY_ASSIGN(service->sender_logins,
               policy::SenderLogins::make(policy_options, *generation->factory, *generation->routing));
    TRY(clients("smtpd_sasl_exceptions_networks", auth_options.exceptions, service->without_auth));
    auto sender_options = config::bind<policy::SenderOptions>(configuration, diagnostics);
    TRY(clients("sender_authentication_exempt_networks", sender_options.exempt_networks,
                service->without_verify));
    TRY(clients("dkim_sign_networks", sender_options.sign_networks, service->signed_for));
    TRY(clients("arc_seal_networks", sender_options.seal_networks, service->sealed_for));
    const auto report_options = std::make_shared<const reports::ReportOptions>(
        config::bind<reports::ReportOptions>(configuration, diagnostics));
    service->takes_reports = [report_options](const mail::Address& address) {
        return report_options->is_report_address(address);
    };
    service->mark = [report_options](const mail::Envelope& envelope, const queue::QueueId& id) {
        const bool report = std::ranges::any_of(envelope.recipients, [&](const auto& one) {
            return report_options->is_report_address(one.address);
        });
        return report ? reports::unread_key(id) : std::string();
    };
    TRY_ASSIGN(auto overrides,
               policy::PolicyOverrides::make(sender_options.policy_overrides, *generation->factory));
    TRY_ASSIGN(auto rules, policy::make_content_rules(std::move(sender_options), environment.files));
    rules->authentication.overrides = std::make_shared<const policy::PolicyOverrides>(std::move(overrides));
    service->content = std::move(rules);
    policy::RestrictionJudge::Services services{
        *generation->factory, environment.files, *generation->routing, environment.events,
        environment.resolver, service->name,     &environment.network, &environment.loop};
    const auto class_text = [&](const std::string& name) { return configuration.get(name); };
    TRY_ASSIGN(service->judge, policy::RestrictionJudge::make(policy_options, services, class_text));
    TRY(add_message_rules(*service, std::move(filter_options), *generation));
    return service;
}

}  // namespace

std::expected<std::shared_ptr<FrontGeneration>, std::string> build_front(
    const Site& site, LoopEnvironment environment, const std::set<env::IpAddress>& own_addresses) {
    auto out = std::make_shared<FrontGeneration>();
    out->own_addresses = own_addresses;
    config::Diagnostics diagnostics;
    out->factory = std::make_unique<tables::Factory>(tables::TableServices{
        environment.files, environment.loop.clock(), environment.users, environment.events});
    auto options = config::bind<routing::RoutingOptions>(*site.configuration, diagnostics);
    TRY_ASSIGN(out->routing,
               routing::Routing::make(std::move(options),
                                      routing::Routing::Services{*out->factory, environment.files,
                                                                 own_addresses, environment.loop.clock()}));
    for (const auto& service : site.services) {
        if (service.type != "inet" || service.command != "smtpd") continue;
        const auto configuration = site.configuration->with_overrides(service);
        auto made = make_service(configuration, site.services, environment, out);
        if (!made)
            return std::unexpected(
                fmt::format("{}:{}: service {}: {}", service.file, service.line, service.name, made.error()));
        out->services.emplace(service.name, std::move(*made));
    }
    return out;
}

Front::Front(LoopEnvironment environment, queue::QueueIdSource ids, queue::IntakeOptions intake,
             std::function<void(queue::Arrival)> announce, server::ClientLimits& limits,
             accounts::Throttle& throttle, policy::AccountLimits& accounts, server::ConnectionCount& count,
             FrontNews news)
    : environment_(environment),
      intake_(environment.loop, environment.store, ids, intake, std::move(announce)),
      limits_(limits),
      throttle_(throttle),
      accounts_(accounts),
      count_(count),
      news_(std::move(news)) {}

void Front::use(std::shared_ptr<FrontGeneration> generation) {
    generations_.push_back(generation);
    for (auto& [name, listener] : listeners_) {
        const auto found = generation->services.find(name);
        if (found != generation->services.end()) listener->set_service(found->second);
    }
}

void Front::add_listener(const std::string& service, std::unique_ptr<env::Listener> listener) {
    server::SmtpServices services{environment_.loop, environment_.tls,    environment_.resolver,
                                  intake_,           environment_.events, limits_,
                                  throttle_,         environment_.random, environment_.workers,
                                  scratch_,          news_.sighted,       accounts_,
                                  news_.flush_site,  news_.conspicuous,   news_.report};
    auto made =
        std::make_unique<server::SmtpListener>(services, generations_.back()->services.at(service), count_);
    made->start(std::move(listener));
    listeners_.emplace_back(service, std::move(made));
}

void Front::stop() {
    for (auto& [name, listener] : listeners_) listener->stop();
}

std::size_t Front::connections() const {
    std::size_t out = 0;
    for (const auto& [name, listener] : listeners_) out += listener->connections();
    return out;
}

}  // namespace app
