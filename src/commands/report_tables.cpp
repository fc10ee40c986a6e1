#include "commands/report_tables.hpp"

#include "base/text.hpp"
#include "reports/report_json.hpp"

#include <algorithm>
#include <chrono>
#include <fmt/format.h>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

namespace commands {
namespace {

constexpr std::uint64_t day_seconds = 86400;

/// At most `width` octets, whole characters.
std::string shortened(std::string_view text, std::size_t width) {
    if (text.size() <= width) return std::string(text);
    std::size_t end = width - 1;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
    return std::string(text.substr(0, end)) + "~";
}

/// "yes", "no", or how much of it.
std::string share(std::uint64_t part, std::uint64_t whole) {
    if (part == 0) return "no";
    if (part >= whole) return "yes";
    return fmt::format("{}%", std::clamp<std::uint64_t>(part * 100 / whole, 1, 99));
}

/// Never 100 while one fails, nor 0 while one passes.
std::string percent(std::uint64_t part, std::uint64_t whole) {
    if (part == 0 || whole == 0) return "0%";
    return part >= whole ? "100%" : share(part, whole);
}

struct Source {
    std::uint64_t messages = 0, spf = 0, dkim = 0, passed = 0;
    std::map<std::string, std::uint64_t> dispositions;
    std::set<std::string> reporters;
};

struct Day {
    std::uint64_t messages = 0, passed = 0;
};

struct DomainView {
    std::uint64_t reports = 0, messages = 0, passed = 0, begin = UINT64_MAX, end = 0;
    std::set<std::string> reporters;
    std::map<std::pair<std::string, std::string>, Source> sources;  // by address and From: domain
    std::map<std::uint64_t, Day> days;
    std::string policy;  // of the newest report

    void add(const reports::AggregateReport& report) {
        ++reports;
        if (report.end >= end) policy = report.policy.p;
        begin = std::min(begin, report.begin);
        end = std::max(end, report.end);
        const auto& reporter = report.org_name.empty() ? report.email : report.org_name;
        reporters.insert(reporter);
        auto& day = days[report.begin / day_seconds];
        for (const auto& row : report.rows) {
            const std::uint64_t passing = row.passed() ? row.count : 0;
            messages += row.count;
            passed += passing;
            day.messages += row.count;
            day.passed += passing;
            auto& source = sources[{row.source_ip, row.header_from}];
            source.messages += row.count;
            source.passed += passing;
            if (row.spf == "pass") source.spf += row.count;
            if (row.dkim == "pass") source.dkim += row.count;
            // What a message that passed was done is no news.
            if (!row.passed()) source.dispositions[row.disposition] += row.count;
            source.reporters.insert(reporter);
        }
    }
};

std::string chart(const DomainView& view, const TableOptions& options) {
    constexpr std::size_t days_max = 31, columns_beside = 34;
    std::uint64_t most = 1;
    for (const auto& [day, count] : view.days) most = std::max(most, count.messages);
    const std::size_t bar = options.width > columns_beside + 20 ? options.width - columns_beside : 20;
    std::string out =
        fmt::format("  {:<10} {:>10} {:>8}  {}\n", "Day (UTC)", "Messages", "Passed", "# passed, x failed");
    const std::size_t skip = view.days.size() > days_max ? view.days.size() - days_max : 0;
    for (auto at = std::next(view.days.begin(), static_cast<std::ptrdiff_t>(skip)); at != view.days.end();
         ++at) {
        const auto& count = at->second;
        const auto length = static_cast<std::size_t>(std::max<double>(
            count.messages > 0 ? 1 : 0,
            static_cast<double>(count.messages) * static_cast<double>(bar) / static_cast<double>(most)));
        auto good = count.messages == 0 ? 0
                                        : static_cast<std::size_t>(static_cast<double>(count.passed) *
                                                                   static_cast<double>(length) /
                                                                   static_cast<double>(count.messages));
        // A failure among many is seen all the same.
        if (good == length && count.passed < count.messages && length > 1) --good;
        out += fmt::format("  {:<10} {:>10} {:>8}  {}{}\n", day_text(at->first * day_seconds), count.messages,
                           percent(count.passed, count.messages), std::string(good, '#'),
                           std::string(length - good, 'x'));
    }
    return out;
}

std::string sources_of(const DomainView& view, const TableOptions& options) {
    std::vector<std::pair<std::pair<std::string, std::string>, const Source*>> order;
    for (const auto& [key, source] : view.sources) order.emplace_back(key, &source);
    std::ranges::sort(order, [](const auto& a, const auto& b) {
        return a.second->messages != b.second->messages ? a.second->messages > b.second->messages
                                                        : a.first < b.first;
    });
    constexpr std::size_t domain_width = 24, reporter_width = 24;
    std::string out =
        fmt::format("  {:<39} {:<24} {:>9} {:>5} {:>5} {:>6}  {:<22} {}\n", "Sent from", "From: domain",
                    "Messages", "SPF", "DKIM", "DMARC", "If failed", "Reported by");
    for (std::size_t i = 0; i < std::min(order.size(), options.rows_max); ++i) {
        const auto& [key, source] = order[i];
        std::vector<std::string> fates;
        for (const auto& [name, count] : source->dispositions)
            fates.push_back(fmt::format("{} {}", count, name));
        const std::string reporter = source->reporters.size() == 1
                                         ? shortened(*source->reporters.begin(), reporter_width)
                                         : fmt::format("{} reporters", source->reporters.size());
        const std::string dmarc = source->passed == source->messages ? "pass"
                                  : source->passed == 0              ? "FAIL"
                                                        : share(source->passed, source->messages);
        out += fmt::format("  {:<39} {:<24} {:>9} {:>5} {:>5} {:>6}  {:<22} {}\n", key.first,
                           shortened(key.second, domain_width), source->messages,
                           share(source->spf, source->messages), share(source->dkim, source->messages), dmarc,
                           fmt::format("{}", fmt::join(fates, ", ")), reporter);
    }
    if (order.size() > options.rows_max)
        out +=
            fmt::format("  ... and {} more sources; --top N shows more\n", order.size() - options.rows_max);
    return out;
}

}  // namespace

std::string day_text(std::uint64_t unix_time) {
    if (unix_time == 0) return "-";
    const std::chrono::year_month_day day{
        std::chrono::sys_days(std::chrono::days(static_cast<std::int64_t>(unix_time / day_seconds)))};
    return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(day.year()), static_cast<unsigned>(day.month()),
                       static_cast<unsigned>(day.day()));
}

std::string sources_table(const std::vector<reports::AggregateReport>& reports, const TableOptions& options) {
    std::map<std::string, DomainView> domains;
    for (const auto& report : reports) domains[report.policy.domain].add(report);
    std::string out;
    for (const auto& [domain, view] : domains) {
        out += fmt::format(
            "{}{}: {} message{} in {} report{} of {} reporter{}, {} to {}; {} passed; policy {}\n\n",
            out.empty() ? "" : "\n", domain, view.messages, view.messages == 1 ? "" : "s", view.reports,
            view.reports == 1 ? "" : "s", view.reporters.size(), view.reporters.size() == 1 ? "" : "s",
            day_text(view.begin), day_text(view.end), percent(view.passed, view.messages),
            view.policy.empty() ? "none" : view.policy);
        out += chart(view, options) + "\n" + sources_of(view, options);
    }
    return out;
}

std::string describe_failure(const nlohmann::json& report) {
    const auto text = [&](const char* name) {
        const std::string value = reports::text_in(report, name);
        return value.empty() ? std::string("-") : value;
    };
    std::string out = fmt::format("Failure report ({}{})\n", text("feedback_type"),
                                  report.contains("auth_failure") ? ": " + text("auth_failure") : "");
    for (const auto& [label, name] : {std::pair{"Sent from", "source_ip"},
                                      {"Arrived", "arrival_date"},
                                      {"Mail from", "original_mail_from"},
                                      {"From:", "header_from"},
                                      {"Subject", "subject"},
                                      {"Message-ID", "message_id"},
                                      {"Alignment", "identity_alignment"},
                                      {"Delivery", "delivery_result"},
                                      {"Reporting MTA", "reporting_mta"},
                                      {"Report from", "mail_from"}})
        out += fmt::format("  {:<13} {}\n", label, text(name));
    if (const auto domains = report.find("reported_domain"); domains != report.end() && domains->is_array())
        for (const auto& domain : *domains)
            if (domain.is_string()) out += fmt::format("  {:<13} {}\n", "About", domain.get<std::string>());
    return out;
}

std::string describe_tls(const nlohmann::json& report) {
    std::string out =
        fmt::format("TLS report of {}, {} to {} ({})\n", reports::text_in(report, "organization"),
                    day_text(reports::number_in(report, "begin")),
                    day_text(reports::number_in(report, "end")), reports::text_in(report, "report_id"));
    const auto policies = report.find("policies");
    if (policies == report.end() || !policies->is_array()) return out;
    for (const auto& policy : *policies) {
        out += fmt::format("  {} {}: {} sessions over TLS, {} failed\n", reports::text_in(policy, "domain"),
                           reports::text_in(policy, "type"), reports::number_in(policy, "successful"),
                           reports::number_in(policy, "failed"));
        const auto failures = policy.find("failures");
        if (failures == policy.end() || !failures->is_array()) continue;
        for (const auto& failure : *failures)
            out +=
                fmt::format("    {:>8} {} from {} to {} {} {}\n", reports::number_in(failure, "sessions"),
                            reports::text_in(failure, "result_type"), reports::text_in(failure, "sending_ip"),
                            reports::text_in(failure, "receiving_host"),
                            reports::text_in(failure, "receiving_ip"), reports::text_in(failure, "reason"));
    }
    return out;
}

std::string describe(const reports::Report& report, const TableOptions& options) {
    if (const auto* failure = std::get_if<reports::FailureReport>(&report))
        return describe_failure(reports::to_json(*failure));
    if (const auto* tls = std::get_if<reports::TlsReport>(&report))
        return describe_tls(reports::to_json(*tls));
    const auto& aggregate = std::get<reports::AggregateReport>(report);
    std::string out = fmt::format("Aggregate report {} of {} <{}>\n", aggregate.report_id, aggregate.org_name,
                                  aggregate.email);
    for (const auto& error : aggregate.errors) out += fmt::format("  the reporter says: {}\n", error);
    for (const auto& problem : aggregate.problems) out += fmt::format("  note: {}\n", problem);
    return out + sources_table({aggregate}, options);
}

}  // namespace commands
