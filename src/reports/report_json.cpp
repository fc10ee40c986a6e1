#include "reports/report_json.hpp"

#include <nlohmann/json.hpp>

namespace reports {

using nlohmann::json;

namespace {

/// Only members that say something: history is long.
void put(json& out, const char* name, const std::string& text) {
    if (!text.empty()) out[name] = text;
}
void put(json& out, const char* name, std::uint64_t number) {
    if (number != 0) out[name] = number;
}
void put(json& out, const char* name, const std::vector<std::string>& list) {
    if (!list.empty()) out[name] = list;
}

std::vector<std::string> texts_in(const json& value, const char* name) {
    std::vector<std::string> out;
    if (const auto found = value.find(name); found != value.end() && found->is_array())
        for (const auto& one : *found)
            if (one.is_string()) out.push_back(one.get<std::string>());
    return out;
}

template <class Each>
void each_in(const json& value, const char* name, Each each) {
    if (!value.is_object()) return;
    if (const auto found = value.find(name); found != value.end() && found->is_array())
        for (const auto& one : *found)
            if (one.is_object()) each(one);
}

struct PolicyField {
    const char* name;
    std::string PublishedPolicy::* field;
};
constexpr PolicyField policy_fields[] = {
    {"domain", &PublishedPolicy::domain},
    {"discovery_method", &PublishedPolicy::discovery_method},
    {"p", &PublishedPolicy::p},
    {"sp", &PublishedPolicy::sp},
    {"np", &PublishedPolicy::np},
    {"adkim", &PublishedPolicy::adkim},
    {"aspf", &PublishedPolicy::aspf},
    {"fo", &PublishedPolicy::fo},
    {"testing", &PublishedPolicy::testing},
    {"pct", &PublishedPolicy::pct},
};

struct RowField {
    const char* name;
    std::string AggregateRow::* field;
};
constexpr RowField row_fields[] = {
    {"source_ip", &AggregateRow::source_ip},
    {"disposition", &AggregateRow::disposition},
    {"dkim", &AggregateRow::dkim},
    {"spf", &AggregateRow::spf},
    {"header_from", &AggregateRow::header_from},
    {"envelope_from", &AggregateRow::envelope_from},
    {"envelope_to", &AggregateRow::envelope_to},
};

struct ReportField {
    const char* name;
    std::string AggregateReport::* field;
};
constexpr ReportField report_fields[] = {
    {"version", &AggregateReport::version},     {"org_name", &AggregateReport::org_name},
    {"email", &AggregateReport::email},         {"extra_contact_info", &AggregateReport::extra_contact},
    {"report_id", &AggregateReport::report_id}, {"generator", &AggregateReport::generator},
};

}  // namespace

std::string dump(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

std::optional<json> parse_object(std::string_view text) {
    json out = json::parse(text, nullptr, false);
    if (out.is_discarded() || !out.is_object()) return std::nullopt;
    return out;
}

std::string text_in(const json& value, const char* name) {
    if (!value.is_object()) return {};
    const auto found = value.find(name);
    return found != value.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::uint64_t number_in(const json& value, const char* name) {
    if (!value.is_object()) return 0;
    const auto found = value.find(name);
    return found != value.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

json to_json(const PublishedPolicy& policy) {
    json out = json::object();
    for (const auto& field : policy_fields) put(out, field.name, policy.*field.field);
    return out;
}

PublishedPolicy policy_from_json(const json& value) {
    PublishedPolicy out;
    for (const auto& field : policy_fields) out.*field.field = text_in(value, field.name);
    return out;
}

json to_json(const AggregateRow& row) {
    json out = json::object();
    for (const auto& field : row_fields) put(out, field.name, row.*field.field);
    for (const auto& reason : row.reasons) {
        json one = json::object();
        put(one, "type", reason.type);
        put(one, "comment", reason.comment);
        out["reasons"].push_back(std::move(one));
    }
    for (const auto& result : row.dkim_results) {
        json one = json::object();
        put(one, "domain", result.domain);
        put(one, "selector", result.selector);
        put(one, "result", result.result);
        put(one, "human_result", result.human_result);
        out["dkim_results"].push_back(std::move(one));
    }
    for (const auto& result : row.spf_results) {
        json one = json::object();
        put(one, "domain", result.domain);
        put(one, "scope", result.scope);
        put(one, "result", result.result);
        put(one, "human_result", result.human_result);
        out["spf_results"].push_back(std::move(one));
    }
    return out;
}

AggregateRow row_from_json(const json& value) {
    AggregateRow out;
    for (const auto& field : row_fields) out.*field.field = text_in(value, field.name);
    out.count = number_in(value, "count");
    each_in(value, "reasons",
            [&](const json& one) { out.reasons.push_back({text_in(one, "type"), text_in(one, "comment")}); });
    each_in(value, "dkim_results", [&](const json& one) {
        out.dkim_results.push_back({text_in(one, "domain"), text_in(one, "selector"), text_in(one, "result"),
                                    text_in(one, "human_result")});
    });
    each_in(value, "spf_results", [&](const json& one) {
        out.spf_results.push_back({text_in(one, "domain"), text_in(one, "scope"), text_in(one, "result"),
                                   text_in(one, "human_result")});
    });
    return out;
}

json to_json(const AggregateReport& report) {
    json out = json::object();
    out["type"] = "aggregate";
    for (const auto& field : report_fields) put(out, field.name, report.*field.field);
    put(out, "errors", report.errors);
    put(out, "problems", report.problems);
    out["begin"] = report.begin;
    out["end"] = report.end;
    out["policy"] = to_json(report.policy);
    out["records"] = json::array();
    for (const auto& row : report.rows) {
        json one = to_json(row);
        one["count"] = row.count;
        out["records"].push_back(std::move(one));
    }
    return out;
}

AggregateReport aggregate_from_json(const json& value) {
    AggregateReport out;
    if (!value.is_object()) return out;
    for (const auto& field : report_fields) out.*field.field = text_in(value, field.name);
    out.errors = texts_in(value, "errors");
    out.problems = texts_in(value, "problems");
    out.begin = number_in(value, "begin");
    out.end = number_in(value, "end");
    if (const auto found = value.find("policy"); found != value.end()) out.policy = policy_from_json(*found);
    each_in(value, "records", [&](const json& one) { out.rows.push_back(row_from_json(one)); });
    return out;
}

json to_json(const FailureReport& report) {
    json out = json::object();
    out["type"] = "failure";
    const std::pair<const char*, const std::string*> texts[] = {
        {"feedback_type", &report.feedback_type},
        {"user_agent", &report.user_agent},
        {"version", &report.version},
        {"auth_failure", &report.auth_failure},
        {"delivery_result", &report.delivery_result},
        {"identity_alignment", &report.identity_alignment},
        {"arrival_date", &report.arrival_date},
        {"source_ip", &report.source_ip},
        {"reporting_mta", &report.reporting_mta},
        {"original_envelope_id", &report.original_envelope_id},
        {"original_mail_from", &report.original_mail_from},
        {"dkim_domain", &report.dkim_domain},
        {"dkim_identity", &report.dkim_identity},
        {"dkim_selector", &report.dkim_selector},
        {"dkim_selector_dns", &report.dkim_selector_dns},
        {"dkim_adsp_dns", &report.dkim_adsp_dns},
        {"spf_dns", &report.spf_dns},
        {"header_from", &report.header_from},
        {"subject", &report.subject},
        {"message_id", &report.message_id},
    };
    for (const auto& [name, text] : texts) put(out, name, *text);
    put(out, "source_port", report.source_port);
    out["incidents"] = report.incidents;
    put(out, "original_rcpt_to", report.original_rcpt_to);
    put(out, "reported_domain", report.reported_domains);
    put(out, "reported_uri", report.reported_uris);
    put(out, "authentication_results", report.authentication_results);
    return out;
}

json to_json(const TlsReport& report) {
    json out = json::object();
    out["type"] = "tls";
    put(out, "organization", report.organization);
    put(out, "contact", report.contact);
    put(out, "report_id", report.report_id);
    out["begin"] = report.begin;
    out["end"] = report.end;
    out["policies"] = json::array();
    for (const auto& policy : report.policies) {
        json one = json::object();
        put(one, "type", policy.type);
        put(one, "domain", policy.domain);
        put(one, "policy", policy.policy);
        put(one, "hosts", policy.hosts);
        one["successful"] = policy.successful;
        one["failed"] = policy.failed;
        for (const auto& failure : policy.failures) {
            json detail = json::object();
            put(detail, "result_type", failure.result_type);
            put(detail, "sending_ip", failure.sending_ip);
            put(detail, "receiving_ip", failure.receiving_ip);
            put(detail, "receiving_host", failure.receiving_host);
            put(detail, "receiving_helo", failure.receiving_helo);
            put(detail, "reason", failure.reason);
            put(detail, "information", failure.information);
            detail["sessions"] = failure.sessions;
            one["failures"].push_back(std::move(detail));
        }
        out["policies"].push_back(std::move(one));
    }
    return out;
}

json to_json(const Report& report) {
    return std::visit([](const auto& one) { return to_json(one); }, report);
}

}  // namespace reports
