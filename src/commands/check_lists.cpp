#include "commands/check_lists.hpp"

#include "config/values.hpp"
#include "policy/restriction.hpp"
#include "routing/match_list.hpp"
#include "routing/routing.hpp"
#include "tables/factory.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <functional>
#include <set>

namespace commands {
namespace {

bool among(std::string_view name, std::initializer_list<std::string_view> names) {
    return std::ranges::find(names, name) != names.end();
}

bool lists_networks(std::string_view name) {
    return among(name, {"mynetworks", "smtpd_client_event_limit_exceptions", "smtpd_authorized_xclient_hosts",
                        "smtpd_authorized_xforward_hosts", "smtpd_upstream_proxy_hosts",
                        "smtpd_forbid_bare_newline_exclusions", "smtpd_sasl_exceptions_networks",
                        "dkim_sign_networks", "arc_seal_networks", "sender_authentication_exempt_networks"});
}

bool lists_domains(std::string_view name) {
    return among(name, {"mydestination", "relay_domains", "virtual_alias_domains", "virtual_mailbox_domains",
                        "srs_exclude_domains"});
}

/// Their values are lists of tables, and nothing else.
bool lists_tables(std::string_view name) {
    if (name == "local_recipient_maps") return false;  // may name what only the running server has
    return name.ends_with("_maps") || name.ends_with("_checks");
}

bool lists_restrictions(std::string_view name) {
    if (name == "smtpd_relay_before_recipient_restrictions") return false;  // yes or no
    return name.ends_with("_restrictions");
}

class ListCheck {
 public:
    ListCheck(const app::LoopEnvironment& environment, config::Diagnostics& diagnostics)
        : files_(environment.files),
          factory_(tables::TableServices{environment.files, environment.loop.clock(), environment.users,
                                         environment.events}),
          diagnostics_(diagnostics) {}

    void judge(const config::Configuration& configuration, const config::Setting& setting) {
        if (!configuration.registry().find(setting.name)) return;
        const auto value = configuration.expand(setting.value);
        if (!value) return;  // said already
        if (lists_restrictions(setting.name)) {
            restrictions(configuration, setting, *value);
        } else if (lists_tables(setting.name)) {
            each(*value, [&](const std::string& item) { table(setting, item); });
        } else if (lists_networks(setting.name)) {
            each(*value, [&](const std::string& item) {
                const auto made = routing::NetworkList::make(item, factory_, files_);
                if (!made) say(setting, fmt::format("{}: {}", setting.name, made.error()));
            });
        } else if (lists_domains(setting.name)) {
            each(*value, [&](const std::string& item) {
                const auto made =
                    routing::DomainList::make(item, factory_, files_, routing::Subdomains::Exact);
                if (!made) say(setting, fmt::format("{}: {}", setting.name, made.error()));
            });
        }
    }

 private:
    template <class Ask>
    void each(const std::string& value, const Ask& ask) {
        for (const auto& item : config::split_list(value)) ask(item);
    }
    void table(const config::Setting& setting, const std::string& item) {
        const auto format =
            setting.name == "alias_maps" ? tables::SourceFormat::Alias : tables::SourceFormat::Map;
        const auto opened = factory_.open_list(item, format);
        if (!opened) say(setting, fmt::format("{}: {}", setting.name, opened.error().text));
    }
    void restrictions(const config::Configuration& configuration, const config::Setting& setting,
                      const std::string& value) {
        config::Diagnostics said_already;
        const auto options = config::bind<policy::PolicyOptions>(configuration, said_already);
        const auto compiled = policy::compile(setting.name, value, factory_, options);
        if (!compiled) say(setting, compiled.error());
    }
    void say(const config::Setting& setting, std::string text) {
        diagnostics_.add(config::Severity::Error, setting.file, setting.line, std::move(text));
    }

    env::FileSystem& files_;
    tables::Factory factory_;
    config::Diagnostics& diagnostics_;
};

}  // namespace

void for_all_settings(
    const app::Site& site,
    const std::function<void(const config::Configuration&, const config::Setting&)>& judge) {
    for (const auto& setting : site.configuration->settings()) judge(*site.configuration, setting);
    for (const auto& service : site.services) {
        const auto own = site.configuration->with_overrides(service);
        for (const auto& [name, value] : service.overrides) {
            const config::Setting setting{name, value, service.file, service.line};
            judge(own, setting);
        }
    }
}

void check_lists(const app::Site& site, const app::LoopEnvironment& environment,
                 config::Diagnostics& diagnostics) {
    ListCheck check(environment, diagnostics);
    for_all_settings(site, [&](const config::Configuration& configuration, const config::Setting& setting) {
        check.judge(configuration, setting);
    });
}

void check_transports(const app::Site& site, config::Diagnostics& diagnostics) {
    // Those that exist without a line in master.cf.
    std::set<std::string> known{"local", "virtual", "smtp", "relay", "lmtp", "discard", "error", "retry"};
    for (const auto& service : site.services)
        if (service.type == "unix") known.insert(service.name);
    for (const auto* name : {"local_transport", "virtual_transport", "relay_transport", "default_transport",
                             "content_filter", "mailbox_transport", "fallback_transport"}) {
        const std::string value = routing::parse_transport(site.configuration->get(name), {}, {}).transport;
        if (value.empty() || known.contains(value)) continue;
        const auto origin = site.configuration->origin(name);
        diagnostics.add(config::Severity::Error, origin.file, origin.line,
                        fmt::format("{}: no service in master.cf is named {}: mail for it would wait until "
                                    "it expires",
                                    name, value));
    }
}

}  // namespace commands
