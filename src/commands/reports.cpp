// postrider reports: what others say of mail in our name, what we told others, and reading a report by hand.
#include "base/text.hpp"
#include "commands/judge_world.hpp"
#include "commands/report_tables.hpp"
#include "commands/site_loader.hpp"
#include "commands/verb.hpp"
#include "reports/report_json.hpp"

#include <cstdio>
#include <fmt/format.h>
#include <memory>
#include <nlohmann/json.hpp>
#include <sys/ioctl.h>
#include <unistd.h>

namespace commands {

using nlohmann::json;

namespace {

TableOptions table_options(const NamedOptions& options) {
    TableOptions out;
    winsize size{};
    constexpr std::size_t narrow = 80, wide = 160;
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        out.width = std::clamp<std::size_t>(size.ws_col, narrow, wide);
    if (const auto top = base::parse_number(options.get("top"), 1'000'000))
        out.rows_max = static_cast<std::size_t>(*top);
    return out;
}

/// A file, or standard input for "-". Error: for people.
std::expected<std::string, std::string> read_input(const std::string& path) {
    constexpr std::uint64_t octets_max = 64UL << 20;
    if (path == "-") return read_standard_input(octets_max);
    platform::PosixFileSystem files;
    auto text = files.read(path, octets_max);
    if (!text) return std::unexpected(fmt::format("{}: {}", path, env::to_text(text.error())));
    return std::move(*text);
}

int parse_reports(const Invocation& invocation, const NamedOptions& options) {
    if (options.rest().size() != 2)
        return usage_error("reports", "parse needs one FILE, or - for standard input");
    const auto octets = read_input(options.rest()[1]);
    if (!octets) {
        fmt::print(stderr, "postrider reports: {}\n", octets.error());
        return exit_failed;
    }
    const auto found = reports::extract_reports(*octets);
    if (invocation.json) {
        nlohmann::ordered_json out = nlohmann::ordered_json::object();
        out["reports"] = nlohmann::ordered_json::array();
        for (const auto& report : found.reports)
            out["reports"].push_back(nlohmann::ordered_json(reports::to_json(report)));
        out["problems"] = found.problems;
        out["from"] = found.from;
        out["subject"] = found.subject;
        print_json(out);
    } else {
        for (std::size_t i = 0; i < found.reports.size(); ++i)
            fmt::print("{}{}", i == 0 ? "" : "\n", describe(found.reports[i], table_options(options)));
        for (const auto& problem : found.problems) fmt::print(stderr, "postrider reports: {}\n", problem);
    }
    return found.reports.empty() ? exit_failed : exit_ok;
}

/// Unix time of the first day to show; 0: all.
std::expected<std::uint64_t, std::string> since_of(const NamedOptions& options, std::uint64_t now) {
    constexpr std::uint64_t day_seconds = 86400, days_max = 36500;
    if (options.has("since")) {
        auto at = reports::parse_date_time(options.get("since") + "T00:00:00Z");
        if (!at) return std::unexpected("--since takes a day such as 2026-11-24");
        return *at;
    }
    if (!options.has("days")) return 0;
    const auto days = base::parse_number(options.get("days"), days_max);
    if (!days) return std::unexpected("--days takes a number");
    return now - std::min(now, *days * day_seconds);
}

void print_line(const json& line) { fmt::print("{}\n", reports::dump(line)); }

/// Of a domain, or below it.
bool is_about(std::string_view domain, std::string_view wanted) {
    return wanted.empty() || base::iequals(domain, wanted) ||
           base::iends_with(domain, "." + std::string(wanted));
}

/// Whether a received report is about the domain asked for.
bool concerns(const json& line, const std::string& kind, const std::string& domain) {
    if (domain.empty()) return true;
    if (kind == "aggregate") {
        const auto policy = line.find("policy");
        return policy != line.end() && is_about(reports::text_in(*policy, "domain"), domain);
    }
    const auto list = line.find(kind == "tls" ? "policies" : "reported_domain");
    if (list == line.end() || !list->is_array()) return false;
    return std::ranges::any_of(*list, [&](const json& one) {
        return is_about(one.is_string() ? one.get<std::string>() : reports::text_in(one, "domain"), domain);
    });
}

std::string outcome_text(const json& sent) {
    std::string out;
    const auto to = sent.find("to");
    if (to == sent.end() || !to->is_array()) return out;
    for (const auto& one : *to) {
        const std::string id = reports::text_in(one, "queue_id");
        out += fmt::format(
            "{}{}: {}", out.empty() ? "" : "; ", base::printable(reports::text_in(one, "address")),
            id.empty() ? base::printable(reports::text_in(one, "problem")) : "queued as " + id);
    }
    return out;
}

int show_sent(const Invocation& invocation, const NamedOptions& options, std::uint64_t since) {
    std::size_t count = 0;
    const std::string domain = options.get("domain");
    const bool answered =
        ask(invocation, json{{"verb", "reports-sent"}, {"since", since}}, [&](const json& line) {
            if (!is_about(reports::text_in(line, "domain"), domain)) return;
            ++count;
            if (invocation.json) return print_line(line);
            if (count == 1)
                fmt::print("{:<10}  {:<30} {:>9} {:>8} {:>8}  {}\n", "Day (UTC)", "About", "Messages",
                           "Records", "Octets", "To");
            fmt::print("{:<10}  {:<30} {:>9} {:>8} {:>8}  {}\n", day_text(reports::number_in(line, "begin")),
                       base::printable(reports::text_in(line, "domain")),
                       reports::number_in(line, "messages"), reports::number_in(line, "records"),
                       reports::number_in(line, "octets"), outcome_text(line));
        });
    if (!answered) return exit_unavailable;
    if (count == 0 && !invocation.json) fmt::print("No reports were sent.\n");
    return exit_ok;
}

/// The newest failure reports first would need them all: they come as they arrived.
int show_received(const Invocation& invocation, const NamedOptions& options, std::uint64_t since,
                  std::string_view type) {
    const std::string domain = options.get("domain");
    std::vector<reports::AggregateReport> aggregates;
    std::size_t failures = 0, tls = 0, unverified = 0;
    const bool answered =
        ask(invocation, json{{"verb", "reports-received"}, {"since", since}}, [&](const json& line) {
            const std::string kind = reports::text_in(line, "type");
            if (!concerns(line, kind, domain)) return;
            failures += kind == "failure";
            tls += kind == "tls";
            if (kind != type) return;
            if (invocation.json) return print_line(line);
            if (kind == "failure")
                return fmt::print("{}{}", failures == 1 ? "" : "\n", describe_failure(line));
            if (kind == "tls") return fmt::print("{}{}", tls == 1 ? "" : "\n", describe_tls(line));
            const std::string finding = reports::text_in(line, "mail_dmarc");
            unverified += finding != "pass" && finding != "unchecked";
            aggregates.push_back(reports::aggregate_from_json(line));
        });
    if (!answered) return exit_unavailable;
    if (invocation.json) return exit_ok;
    if (type == "failure" || type == "tls") {
        if (failures + tls == 0 || (type == "tls" ? tls : failures) == 0) fmt::print("No such reports.\n");
        return exit_ok;
    }
    if (aggregates.empty())
        fmt::print(
            "No aggregate reports{}. They come to the addresses that the rua tag of a domain's DMARC record "
            "names; dmarc_report_address says which mailbox is read.\n",
            domain.empty() ? "" : " about " + base::printable(domain));
    fmt::print("{}", sources_table(aggregates, table_options(options)));
    if (unverified > 0)
        fmt::print(
            "\n{} of these reports came in mail that does not pass DMARC: anybody may have written them.\n",
            unverified);
    if (failures > 0) fmt::print("\n{} failure reports: postrider reports failures\n", failures);
    if (tls > 0) fmt::print("\n{} TLS reports: postrider reports tls\n", tls);
    return exit_ok;
}

int send_reports(const Invocation& invocation, bool dry_run) {
    if (!dry_run) {
        const bool answered = ask(invocation, json{{"verb", "reports-send"}}, [&](const json& line) {
            if (invocation.json) return print_line(line);
            fmt::print(
                "{} sent, {} to be tried again later, {} that nobody takes (postrider reports sent says "
                "why)\n",
                reports::number_in(line, "sent"), reports::number_in(line, "later"),
                reports::number_in(line, "dropped"));
        });
        return answered ? exit_ok : exit_unavailable;
    }
    std::size_t count = 0;
    const bool answered = ask(invocation, json{{"verb", "reports-waiting"}}, [&](const json& line) {
        ++count;
        if (invocation.json) return print_line(line);
        const auto report = reports::aggregate_from_json(line);
        fmt::print("{}would go to {}:\n{}", count == 1 ? "" : "\n",
                   base::printable(reports::dump(line.value("to", json::array()))), describe(report, {}));
    });
    if (!answered) return exit_unavailable;
    if (count == 0 && !invocation.json) fmt::print("No reports are waiting.\n");
    return exit_ok;
}

}  // namespace

int reports_verb(const Invocation& invocation) {
    auto words = invocation.arguments;
    const bool now = std::erase(words, "--now") > 0, dry_run = std::erase(words, "--dry-run") > 0;
    const auto options = NamedOptions::parse(words, {"top", "domain", "since", "days"});
    if (!options) return usage_error("reports", options.error());
    const auto since = since_of(*options, env::unix_time(platform::SystemClock().wall()));
    if (!since) return usage_error("reports", since.error());
    const std::string action = options->rest().empty() ? "received" : options->rest().front();
    if (action == "parse") return parse_reports(invocation, *options);
    if (options->rest().size() > 1)
        return usage_error("reports", fmt::format("'{}' is too much", options->rest()[1]));
    if (action == "received") return show_received(invocation, *options, *since, "aggregate");
    if (action == "failures") return show_received(invocation, *options, *since, "failure");
    if (action == "tls") return show_received(invocation, *options, *since, "tls");
    if (action == "sent") return show_sent(invocation, *options, *since);
    if (action == "send" && now != dry_run) return send_reports(invocation, dry_run);
    if (action == "send") return usage_error("reports", "send needs --now or --dry-run");
    return usage_error("reports", fmt::format("there is no '{}'", action));
}

}  // namespace commands
