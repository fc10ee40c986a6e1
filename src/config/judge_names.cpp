// What a configuration asks for that is not done here (configuration.hpp: judge_names).
#include "base/text.hpp"
#include "config/configuration.hpp"
#include "config/lmtp_names.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <set>

namespace config {
namespace {

// A name that decides who may send what, or what is encrypted or logged in: ignoring it would be dangerous.
bool is_security_relevant(std::string_view name) {
    if (name.starts_with("postscreen_")) return false;
    return name.ends_with("_restrictions") || name.starts_with("mynetworks") ||
           (name.find("_tls_") != std::string_view::npos && name.ends_with("level") &&
            !name.ends_with("loglevel")) ||
           name == "smtpd_sasl_auth_enable" || name == "smtpd_milters" || name == "content_filter" ||
           name == "smtpd_tls_req_ccert" || name == "smtpd_proxy_filter";
}

// Names of the form <service>_suffix, where the service is in master.cf.
bool is_transport_parameter(std::string_view name, const std::vector<Service>& services) {
    constexpr std::string_view suffixes[] = {"_destination_recipient_limit",
                                             "_destination_concurrency_limit",
                                             "_initial_destination_concurrency",
                                             "_destination_rate_delay",
                                             "_time_limit",
                                             "_destination_concurrency_failed_cohort_limit",
                                             "_destination_concurrency_positive_feedback",
                                             "_destination_concurrency_negative_feedback",
                                             "_transport_rate_delay"};
    // These exist also where master.cf does not list them.
    constexpr std::string_view built_in[] = {"local", "virtual", "smtp", "relay", "lmtp", "discard"};
    return std::ranges::any_of(suffixes, [&](auto suffix) {
        if (!name.ends_with(suffix)) return false;
        const auto transport = name.substr(0, name.size() - suffix.size());
        return std::ranges::find(built_in, transport) != std::end(built_in) ||
               std::ranges::any_of(services, [&](const auto& s) { return transport == s.name; });
    });
}

void collect_references(std::string_view text, std::set<std::string, std::less<>>& names) {
    for (auto at = text.find('$'); at != std::string_view::npos; at = text.find('$', at + 1)) {
        std::size_t begin = at + 1;
        if (begin < text.size() && (text[begin] == '{' || text[begin] == '(')) ++begin;
        std::size_t end = begin;
        while (end < text.size() && (base::is_alnum(text[end]) || text[end] == '_')) ++end;
        names.emplace(text.substr(begin, end - begin));
    }
}

}  // namespace

/// Lines of master.cf whose program does nothing here.
static void judge_programs(const std::vector<Service>& services, Diagnostics& diagnostics) {
    using Names = std::set<std::string_view>;
    static const Names honoured = {"smtpd",   "smtp", "lmtp",  "local",   "virtual",
                                   "discard", "pipe", "error", "cleanup", "pickup"};
    // The one server does their work, whether they are listed or not.
    static const Names inside = {"qmgr",   "nqmgr",  "trivial-rewrite", "bounce",   "defer",
                                 "trace",  "verify", "flush",           "showq",    "anvil",
                                 "scache", "tlsmgr", "postlogd",        "proxymap", "proxywrite"};
    for (const auto& service : services) {
        if (inside.contains(service.command)) continue;
        if (honoured.contains(service.command) && service.type != "pass") continue;
        const bool listens = service.type == "inet";
        diagnostics.add(
            Severity::Warning, service.file, service.line,
            fmt::format("service {} {}: {} is NOT HONOURED by this version{}", service.name, service.type,
                        service.type == "pass" ? "type pass" : "the program " + service.command,
                        listens ? ": nothing listens there; write smtpd to take mail on it" : ""));
    }
}

void judge_names(const Configuration& configuration, const std::vector<Service>& services,
                 Diagnostics& diagnostics) {
    judge_programs(services, diagnostics);
    std::set<std::string, std::less<>> referenced;
    std::vector<Setting> settings = configuration.settings();
    for (const auto& service : services) {
        // Of most services that are Postfix's inner workings nothing is used: their overrides need no word.
        const bool sends = service.type == "unix" && (service.command == "smtp" || service.command == "lmtp");
        const bool takes =
            service.type == "inet" || service.command == "cleanup" || service.command == "pickup";
        if (!takes && !sends) continue;
        for (const auto& [name, value] : service.overrides)
            settings.push_back({name, value, service.file, service.line});
    }
    const std::string classes = configuration.get("smtpd_restriction_classes");
    for (const auto& name : base::split_any(classes, ", \t")) referenced.emplace(name);
    const auto is_ours = [&](std::string_view name) {
        // An lmtp service reads lmtp_… as the smtp client reads smtp_….
        return configuration.registry().find(name) ||
               (name.starts_with("lmtp_") && configuration.registry().find(smtp_name_of(name)));
    };
    // A name of Postfix's counts as used only where something that is honoured refers to it; a name of the
    // administrator's own, wherever it is referred to.
    std::set<std::string, std::less<>> referenced_anywhere = referenced;
    for (const auto& setting : settings) {
        collect_references(setting.value, referenced_anywhere);
        if (is_ours(setting.name)) collect_references(setting.value, referenced);
    }
    for (const auto& setting : settings) {
        if (is_ours(setting.name) || referenced.contains(setting.name) ||
            is_transport_parameter(setting.name, services))
            continue;
        const auto* known = postfix_default(setting.name);
        if (!known) {
            if (referenced_anywhere.contains(setting.name)) continue;
            const auto near = configuration.registry().nearest(setting.name);
            diagnostics.add(Severity::Warning, setting.file, setting.line,
                            fmt::format("{} is not a known parameter{}", setting.name,
                                        near.empty() ? "" : "; did you mean " + near + "?"));
            continue;
        }
        if (is_harmless(setting.name)) continue;
        const auto mine = configuration.expand(setting.value).value_or(setting.value);
        const auto theirs = configuration.expand(*known).value_or(std::string(*known));
        if (mine == theirs) continue;
        // Turning off what we do not do anyway changes nothing.
        if (mine.empty() || mine == "no" || mine == "none") continue;
        const bool dangerous = is_security_relevant(setting.name);
        diagnostics.add(
            dangerous ? Severity::Error : Severity::Warning, setting.file, setting.line,
            fmt::format(
                "{} = {} is NOT HONOURED by this version{}", setting.name, base::printable(setting.value, 60),
                dangerous ? "; it decides about security, so the server does not start with it" : ""));
    }
}

}  // namespace config
