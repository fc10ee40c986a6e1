#include "reports/tls_report.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <chrono>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <optional>

namespace reports {
namespace {

using nlohmann::json;

/// Reads members that may be missing or of another type than they should be.
class Member {
 public:
    Member(const json& of, const TlsReportLimits& limits) : of_(of), limits_(limits) {}

    std::string text(const char* name) const {
        const json* value = find(name);
        if (!value) return {};
        if (value->is_string()) return clean(value->get_ref<const std::string&>());
        return value->is_number() ? clean(value->dump()) : std::string();
    }
    std::uint64_t number(const char* name) const {
        const json* value = find(name);
        if (!value) return 0;
        if (value->is_number_unsigned()) return value->get<std::uint64_t>();
        return value->is_string() ? base::parse_number(value->get_ref<const std::string&>()).value_or(0) : 0;
    }
    /// A list of texts, or one text alone.
    std::vector<std::string> texts(const char* name) const {
        std::vector<std::string> out;
        const json* value = find(name);
        if (value && value->is_string()) out.push_back(clean(value->get_ref<const std::string&>()));
        if (value && value->is_array())
            for (const auto& one : *value)
                if (one.is_string() && out.size() < limits_.list_max)
                    out.push_back(clean(one.get_ref<const std::string&>()));
        return out;
    }
    const json* find(const char* name) const {
        if (!of_.is_object()) return nullptr;
        const auto found = of_.find(name);
        return found == of_.end() ? nullptr : &*found;
    }
    /// An object; one without members where there is none.
    const json& object(const char* name) const {
        static const json none = json::object();
        const json* value = find(name);
        return value && value->is_object() ? *value : none;
    }

 private:
    std::string clean(std::string_view value) const {
        return base::printable(base::trim(value), limits_.text_max);
    }
    const json& of_;
    const TlsReportLimits& limits_;
};

TlsPolicyResult read_policy(const json& one, const TlsReportLimits& limits) {
    const Member member(one, limits);
    const Member policy(member.object("policy"), limits), summary(member.object("summary"), limits);
    TlsPolicyResult out;
    out.type = policy.text("policy-type");
    out.domain = base::lower(policy.text("policy-domain"));
    out.policy = policy.texts("policy-string");
    out.hosts = policy.texts("mx-host");
    out.successful = summary.number("total-successful-session-count");
    out.failed = summary.number("total-failure-session-count");
    const json* failures = member.find("failure-details");
    if (failures && failures->is_array())
        for (const auto& detail : *failures) {
            if (out.failures.size() >= limits.list_max) break;
            const Member said(detail, limits);
            out.failures.push_back({said.text("result-type"), said.text("sending-mta-ip"),
                                    said.text("receiving-ip"), said.text("receiving-mx-hostname"),
                                    said.text("receiving-mx-helo"), said.text("failure-reason-code"),
                                    said.text("additional-information"),
                                    said.number("failed-session-count")});
        }
    return out;
}

}  // namespace

std::expected<std::uint64_t, std::string> parse_date_time(std::string_view text) {
    const auto wrong = [&] {
        return std::unexpected(fmt::format("'{}' is no date and time", base::printable(text, 40)));
    };
    constexpr std::string_view form = "0000-00-00T00:00:00";
    if (text.size() < form.size()) return wrong();
    const auto number = [&](std::size_t at, std::size_t count, std::uint64_t max) {
        return base::parse_number(text.substr(at, count), max);
    };
    const auto year = number(0, 4, 9999), month = number(5, 2, 12), day = number(8, 2, 31),
               hour = number(11, 2, 23), minute = number(14, 2, 59), second = number(17, 2, 60);
    if (!year || !month || !day || !hour || !minute || !second || *year < 1970) return wrong();
    const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(*year)),
                                           std::chrono::month(static_cast<unsigned>(*month)),
                                           std::chrono::day(static_cast<unsigned>(*day))};
    if (!date.ok() || text[4] != '-' || text[7] != '-' || text[13] != ':' || text[16] != ':') return wrong();
    std::int64_t out = std::chrono::sys_days(date).time_since_epoch().count() * std::int64_t{86400} +
                       static_cast<std::int64_t>(*hour * 3600 + *minute * 60 + *second);
    std::string_view rest = text.substr(form.size());
    if (rest.starts_with('.'))
        rest.remove_prefix(std::min(rest.find_first_not_of("0123456789", 1), rest.size()));
    if (rest.size() == 6 && (rest[0] == '+' || rest[0] == '-') && rest[3] == ':') {
        const auto hours = base::parse_number(rest.substr(1, 2), 23),
                   minutes = base::parse_number(rest.substr(4, 2), 59);
        if (!hours || !minutes) return wrong();
        const auto offset = static_cast<std::int64_t>(*hours * 3600 + *minutes * 60);
        out += rest[0] == '+' ? -offset : offset;
    } else if (!rest.empty() && rest != "Z" && rest != "z") {
        return wrong();
    }
    return out < 0 ? 0 : static_cast<std::uint64_t>(out);
}

std::expected<TlsReport, std::string> parse_tls_report(std::string_view octets,
                                                       const TlsReportLimits& limits) {
    if (octets.size() > limits.octets_max)
        return std::unexpected(fmt::format("the JSON is larger than {} octets", limits.octets_max));
    const auto values = static_cast<std::size_t>(
        std::ranges::count_if(octets, [](char c) { return c == '[' || c == '{' || c == ',' || c == ':'; }));
    if (values > limits.values_max)
        return std::unexpected(fmt::format("the JSON has more than {} values", limits.values_max));
    const json document = json::parse(octets, nullptr, false);
    if (document.is_discarded() || !document.is_object()) return std::unexpected("it is no JSON object");
    const Member member(document, limits);
    TlsReport out;
    out.organization = member.text("organization-name");
    out.contact = member.text("contact-info");
    out.report_id = member.text("report-id");
    const Member range(member.object("date-range"), limits);
    out.begin = parse_date_time(range.text("start-datetime")).value_or(0);
    out.end = parse_date_time(range.text("end-datetime")).value_or(0);
    const json* policies = member.find("policies");
    if (!policies || !policies->is_array())
        return std::unexpected("the JSON has no policies: it is no TLS report");
    for (const auto& one : *policies) {
        if (out.policies.size() >= limits.list_max) break;
        out.policies.push_back(read_policy(one, limits));
    }
    return out;
}

}  // namespace reports
