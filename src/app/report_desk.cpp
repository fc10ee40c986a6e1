#include "app/report_desk.hpp"

#include "base/text.hpp"
#include "env/store_pages.hpp"
#include "mail/path.hpp"
#include "reports/report_json.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace app {
namespace {

using nlohmann::json;

/// DKIM-Signature fields for one of our own messages.
env::Task<std::string> sign_message(std::shared_ptr<const policy::ContentRules> rules, env::Workers& workers,
                                    std::uint64_t now, std::string message) {
    std::string out = co_await policy::sign_whole(std::move(rules), message, workers, now);
    co_return out;
}

json built_line(const reports::Sender::Waiting& which, const reports::Sender::Built& built) {
    json out = reports::to_json(built.report);
    out["xml"] = reports::to_xml(built.report);
    out["domain"] = which.domain;
    out["messages"] = built.report.messages();
    out["to"] = json::array();
    for (const auto& uri : built.tally.addresses) out["to"].push_back(uri.address);
    return out;
}

/// Every report that is not sent yet, as it would be now.
env::Task<std::string> show_waiting(ReportDesk& desk, server::ControlReply& reply) {
    const bool flushed = co_await desk.tally().flush();
    if (!flushed) co_return std::string("the store fails; see the log");
    const auto all = co_await desk.sender().waiting();
    for (const auto& which : all) {
        const auto built = co_await desk.sender().build(which);
        if (!built) continue;
        const json line = built_line(which, *built);
        const bool wanted = co_await reply.line(line);
        if (!wanted) break;
    }
    co_return std::string{};
}

env::Task<std::string> send_now(ReportDesk& desk, server::ControlReply& reply) {
    const bool cut = co_await desk.tally().cut();
    if (!cut) co_return std::string("the store fails; see the log");
    const auto done = co_await desk.sender().send(reports::Sender::Which::Everything);
    json out = json::object();
    out["sent"] = done.sent;
    out["later"] = done.later;
    out["dropped"] = done.dropped;
    co_await reply.line(out);
    co_return std::string{};
}

/// The history's lines under `prefix` that end at `since` or later, oldest first.
env::Task<std::string> show_history(ReportDesk& desk, std::string prefix, std::uint64_t since,
                                    server::ControlReply& reply) {
    constexpr std::size_t page = 50;
    env::StorePages pages(desk.store(), env::Keyspace::History, prefix + reports::time_key(since),
                          reports::prefix_end(prefix), page);
    while (pages.more()) {
        auto entries = co_await pages.next();
        if (!entries) co_return std::string("the store cannot be read; see the log");
        for (const auto& entry : *entries) {
            auto line = reports::parse_object(entry.value);
            if (!line) continue;
            const bool wanted = co_await reply.line(std::move(*line));
            if (!wanted) co_return std::string{};
        }
    }
    co_return std::string{};
}

}  // namespace

ReportDesk::ReportDesk(LoopEnvironment environment, queue::Intake& intake, const std::string& host_name,
                       queue::ExpandEnvelope expand)
    : environment_(environment),
      tally_(environment.loop, environment.store, environment.events),
      sender_({environment.loop, environment.store, environment.resolver, intake, environment.random,
               environment.workers, environment.events, tally_,
               [this](std::string message) {
                   return sign_message(signing_, environment_.workers,
                                       env::unix_time(environment_.loop.clock().wall()), std::move(message));
               },
               std::move(expand)},
              host_name, "Postrider 0.1.0"),
      inbox_({environment.loop, environment.store, environment.workers, environment.events}) {}

env::Task<bool> ReportDesk::load() {
    const bool loaded = co_await tally_.load();
    co_await inbox_.catch_up();
    co_return loaded;
}

void ReportDesk::start() {
    sender_.start();
    inbox_.start();
}

void judge_reports(const Site& site, env::FileSystem& files, config::Diagnostics& diagnostics) {
    config::Diagnostics said_already;
    const auto& configuration = *site.configuration;
    const auto options = config::bind<reports::ReportOptions>(configuration, said_already);
    const auto say = [&](config::Severity severity, const char* name, std::string text) {
        const auto origin = configuration.origin(name);
        diagnostics.add(severity, origin.file, origin.line, fmt::format("{}: {}", name, text));
    };
    using Severity = config::Severity;
    for (const auto& address : options.addresses)
        if (!mail::parse_mailbox(address))
            say(Severity::Error, "dmarc_report_address",
                fmt::format("'{}' is no address; write name@domain", address));
    if (!options.reporting) return;
    if (!mail::parse_mailbox(options.sender))
        say(Severity::Error, "dmarc_report_sender",
            fmt::format("'{}' is no address; write name@domain", options.sender));
    const bool plain = !options.submitter.empty() && std::ranges::all_of(options.submitter, [](char c) {
        return base::is_alnum(c) || c == '.' || c == '-';
    });
    if (!plain)
        say(Severity::Error, "dmarc_report_submitter", fmt::format("'{}' is no domain", options.submitter));
    for (const auto& [name, value] :
         {std::pair{"dmarc_report_org_name", &options.org_name}, {"dmarc_report_contact", &options.contact}})
        if (value->empty()) say(Severity::Error, name, "a report must say it; give it a value");
    const auto sender_options = config::bind<policy::SenderOptions>(configuration, said_already);
    bool verifies = sender_options.check != policy::SenderCheck::No;
    for (const auto& service : site.services)
        verifies =
            verifies ||
            config::bind<policy::SenderOptions>(configuration.with_overrides(service), said_already).check !=
                policy::SenderCheck::No;
    if (!verifies)
        say(Severity::Warning, "dmarc_reporting",
            "there is nothing to report: set sender_authentication = mark or enforce");
    const auto rules = policy::make_content_rules(sender_options, files);
    if (rules && (*rules)->keys.keys_for(options.sender).empty())
        say(Severity::Warning, "dmarc_report_sender",
            fmt::format(
                "no key in dkim_signing_keys is for {}: many receivers drop reports that are not signed",
                options.sender));
}

std::expected<void, std::string> ReportDesk::use(const Site& site) {
    config::Diagnostics diagnostics;
    judge_reports(site, environment_.files, diagnostics);
    for (const auto& d : diagnostics.list())
        if (d.severity == config::Severity::Error) return std::unexpected(d.render());
    auto options = config::bind<reports::ReportOptions>(*site.configuration, diagnostics);
    auto rules = policy::make_content_rules(
        config::bind<policy::SenderOptions>(*site.configuration, diagnostics), environment_.files);
    if (!rules) return std::unexpected(rules.error());
    signing_ = std::move(*rules);
    options_ = std::move(options);
    tally_.configure(options_);
    sender_.configure(options_);
    const auto& sender_options = signing_->options;
    inbox_.configure(options_,
                     sender_options.check == policy::SenderCheck::No ? "" : sender_options.authserv_id);
    return {};
}

void ReportDesk::sighted(dmarc::Sighting sighting) {
    if (options_.reporting) tally_.record(std::move(sighting));
}

void ReportDesk::add_control_handlers(server::ControlServer& control) {
    control.add("reports-waiting",
                [this](json, server::ControlReply& reply) { return show_waiting(*this, reply); });
    control.add("reports-send", [this](json, server::ControlReply& reply) { return send_now(*this, reply); });
    control.add("reports-received", [this](json request, server::ControlReply& reply) {
        return show_history(*this, std::string(reports::received_prefix),
                            reports::number_in(request, "since"), reply);
    });
    control.add("reports-sent", [this](json request, server::ControlReply& reply) {
        return show_history(*this, std::string(reports::sent_prefix), reports::number_in(request, "since"),
                            reply);
    });
}

}  // namespace app
