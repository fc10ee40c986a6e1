#include "app/site.hpp"

#include "accounts/throttle.hpp"
#include "acme/options.hpp"
#include "app/bounce_templates.hpp"
#include "app/login_options.hpp"
#include "app/options.hpp"
#include "app/transport_limits.hpp"
#include "base/text.hpp"
#include "delivery/local_transport.hpp"
#include "delivery/outgoing_options.hpp"
#include "delivery/smtp_options.hpp"
#include "delivery/virtual_transport.hpp"
#include "policy/account_options.hpp"
#include "policy/filter_options.hpp"
#include "policy/options.hpp"
#include "policy/sender_options.hpp"
#include "queue/postmaster.hpp"
#include "queue/queue_manager.hpp"
#include "reports/options.hpp"
#include "routing/options.hpp"
#include "server/client_limits.hpp"
#include "smtp/server_options.hpp"

#include <fmt/format.h>

namespace app {
namespace {

constexpr std::uint64_t configuration_octets_max = 4 << 20;

/// Names that only other values refer to.
struct NamesOnly {
    std::string name, mail_name, mail_version, virtual_maps, mynetworks_style, exceptions, sort, fallback;
    static constexpr void describe(auto& parameter) {
        using O = NamesOnly;
        using base::Default;
        parameter("mail_name", &O::mail_name, Default{"Postrider"},
                  "The name of the mail system in Received: and notifications.");
        parameter("mail_version", &O::mail_version, Default{"0.1.0"}, "The version of the mail system.");
        parameter("virtual_maps", &O::virtual_maps, Default{""}, "The old name of virtual_alias_maps.");
        parameter("mynetworks_style", &O::mynetworks_style,
                  Default{"${{$compatibility_level} <level {2} ? {subnet} : {host}}"},
                  "What mynetworks is when it is not set: host (this machine) or subnet.");
        parameter("smtpd_client_connection_limit_exceptions", &O::exceptions, Default{""},
                  "The old name of smtpd_client_event_limit_exceptions.");
        parameter("fallback_relay", &O::fallback, Default{""}, "The old name of smtp_fallback_relay.");
        parameter("alias_database", &O::sort, Default{"hash:/etc/aliases"},
                  "The alias files newaliases checks.");
        parameter("compatibility_level", &O::name, Default{"3.6"},
                  "Which version's defaults a configuration was written for.");
    }
};

/// Postfix takes a directory without compatibility_level for one of its oldest, with the defaults of then.
void note_compatibility(const config::Configuration& configuration, const std::string& main_path,
                        config::Diagnostics& diagnostics) {
    if (configuration.is_set("compatibility_level")) return;
    std::string differs;
    for (const auto& [name, old_default] : {std::pair{"append_dot_mydomain", "yes"},
                                            {"mynetworks_style", "subnet"},
                                            {"relay_domains", "$mydestination"},
                                            {"smtpd_relay_before_recipient_restrictions", "no"},
                                            {"smtputf8_enable", "no"}}) {
        const bool moot = std::string_view(name) == "mynetworks_style" && configuration.is_set("mynetworks");
        if (!moot && !configuration.is_set(name))
            differs += fmt::format("{}{} = {}", differs.empty() ? "" : ", ", name, old_default);
    }
    if (differs.empty()) return;
    diagnostics.add(
        config::Severity::Note, main_path, 0,
        fmt::format(
            "compatibility_level is not set: the defaults are those of level {}; Postfix's would be {} "
            "(write compatibility_level = 0 to have them)",
            configuration.get("compatibility_level"), differs));
}

}  // namespace

std::shared_ptr<const config::Registry> make_registry() {
    return std::make_shared<const config::Registry>(
        config::Registry::collect<ProgramOptions, DnsOptions, acme::Options, TlsServerOptions, AuthOptions,
                                  TokenOptions, RepairOptions, policy::SenderOptions, reports::ReportOptions,
                                  accounts::ThrottleOptions, policy::AccountOptions, TransportLimitOptions,
                                  smtp::ServerOptions, server::ClientLimitOptions, policy::PolicyOptions,
                                  policy::FilterOptions, routing::RoutingOptions, queue::QueueManagerOptions,
                                  queue::RetryOptions, queue::NotifierOptions, queue::PostmasterOptions,
                                  BounceTemplateOptions, delivery::VirtualOptions, delivery::LocalOptions,
                                  delivery::SmtpClientOptions, delivery::OutgoingOptions, NamesOnly>());
}

std::shared_ptr<const Site> load_site(const std::string& directory, env::FileSystem& files,
                                      const config::Machine& machine, config::Diagnostics& diagnostics) {
    auto site = std::make_shared<Site>();
    site->directory = directory;
    const std::string main_path = directory + "/main.cf";
    const std::string master_path = directory + "/master.cf";
    const auto main_text = files.read(main_path, configuration_octets_max);
    if (!main_text) {
        diagnostics.add(
            config::Severity::Error, main_path, 0,
            fmt::format("{}; give the configuration directory with -c", env::to_text(main_text.error())));
        return nullptr;
    }
    auto settings = config::parse_main_cf(*main_text, main_path, diagnostics);
    for (auto& setting : settings) {
        // Debian's form: a file name, whose first line is the domain.
        if (setting.name != "myorigin" || !setting.value.starts_with('/')) continue;
        const auto text = files.read(setting.value, 4096);
        if (text)
            setting.value = std::string(base::trim(std::string_view(*text).substr(0, text->find('\n'))));
        else
            diagnostics.add(config::Severity::Error, setting.file, setting.line,
                            fmt::format("myorigin: {}: {}", setting.value, env::to_text(text.error())));
    }
    site->configuration =
        std::make_shared<const config::Configuration>(make_registry(), std::move(settings), machine);
    const auto master_text = files.read(master_path, configuration_octets_max);
    if (master_text)
        site->services = config::parse_master_cf(*master_text, master_path, diagnostics);
    else
        diagnostics.add(config::Severity::Error, master_path, 0,
                        std::string(env::to_text(master_text.error())));
    config::judge_names(*site->configuration, site->services, diagnostics);
    note_compatibility(*site->configuration, main_path, diagnostics);
    // Bound here once so that every wrong value is said at once.
    const auto& c = *site->configuration;
    config::bind<ProgramOptions>(c, diagnostics);
    TransportLimits::make(c, site->services, diagnostics);
    config::bind<DnsOptions>(c, diagnostics);
    config::bind<AuthOptions>(c, diagnostics);
    config::bind<TokenOptions>(c, diagnostics);
    config::bind<policy::SenderOptions>(c, diagnostics);
    config::bind<reports::ReportOptions>(c, diagnostics);
    config::bind<RepairOptions>(c, diagnostics);
    config::bind<accounts::ThrottleOptions>(c, diagnostics);
    config::bind<policy::AccountOptions>(c, diagnostics);
    config::bind<queue::QueueManagerOptions>(c, diagnostics);
    config::bind<queue::RetryOptions>(c, diagnostics);
    config::bind<routing::RoutingOptions>(c, diagnostics);
    config::bind<delivery::VirtualOptions>(c, diagnostics);
    config::bind<delivery::LocalOptions>(c, diagnostics);
    config::bind<smtp::ServerOptions>(c, diagnostics);
    config::bind<delivery::SmtpClientOptions>(c, diagnostics);
    config::bind<delivery::OutgoingOptions>(c, diagnostics);
    config::bind<server::ClientLimitOptions>(c, diagnostics);
    config::bind<policy::PolicyOptions>(c, diagnostics);
    config::bind<policy::FilterOptions>(c, diagnostics);
    const auto tls = config::bind<TlsServerOptions>(c, diagnostics);
    static_cast<void>(tls);
    return site;
}

}  // namespace app
