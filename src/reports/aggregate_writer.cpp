// The XML that we send (RFC 9990 §3.1.1: the tables' elements, in their order).
#include "base/text.hpp"
#include "reports/aggregate.hpp"

#include <fmt/format.h>

namespace reports {
namespace {

/// Escaped for character data; octets that XML 1.0 does not allow become '?'.
std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : base::is_utf8(text) ? std::string(text) : base::printable(text, text.size())) {
        const auto octet = static_cast<unsigned char>(c);
        if (c == '&')
            out += "&amp;";
        else if (c == '<')
            out += "&lt;";
        else if (c == '>')
            out += "&gt;";
        else if (octet < 0x20 || octet == 0x7f)
            out += '?';
        else
            out += c;
    }
    return out;
}

class Writer {
 public:
    void open(std::string_view name, std::string_view attributes = "") {
        out_ += fmt::format("{:{}}<{}{}>\n", "", 2 * depth_++, name, attributes);
    }
    void close(std::string_view name) { out_ += fmt::format("{:{}}</{}>\n", "", 2 * --depth_, name); }
    void element(std::string_view name, std::string_view text) {
        out_ += fmt::format("{:{}}<{}>{}</{}>\n", "", 2 * depth_, name, escaped(text), name);
    }
    void optional(std::string_view name, std::string_view text) {
        if (!text.empty()) element(name, text);
    }
    std::string take() { return std::move(out_); }

 private:
    std::string out_ = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
    int depth_ = 0;
};

void write_metadata(Writer& out, const AggregateReport& report) {
    out.open("report_metadata");
    out.element("org_name", report.org_name);
    out.element("email", report.email);
    out.optional("extra_contact_info", report.extra_contact);
    out.element("report_id", report.report_id);
    out.open("date_range");
    out.element("begin", std::to_string(report.begin));
    out.element("end", std::to_string(report.end));
    out.close("date_range");
    if (!report.errors.empty()) out.element("error", fmt::format("{}", fmt::join(report.errors, "; ")));
    out.optional("generator", report.generator);
    out.close("report_metadata");
}

void write_policy(Writer& out, const PublishedPolicy& policy) {
    out.open("policy_published");
    out.element("domain", policy.domain);
    out.optional("discovery_method", policy.discovery_method);
    out.element("p", policy.p);
    out.optional("sp", policy.sp);
    out.optional("np", policy.np);
    out.optional("fo", policy.fo);
    out.optional("adkim", policy.adkim);
    out.optional("aspf", policy.aspf);
    out.optional("testing", policy.testing);
    out.close("policy_published");
}

void write_row(Writer& out, const AggregateRow& row) {
    out.open("record");
    out.open("row");
    out.element("source_ip", row.source_ip);
    out.element("count", std::to_string(row.count));
    out.open("policy_evaluated");
    out.element("disposition", row.disposition);
    out.element("dkim", row.dkim);
    out.element("spf", row.spf);
    for (const auto& reason : row.reasons) {
        out.open("reason");
        out.element("type", reason.type);
        out.optional("comment", reason.comment);
        out.close("reason");
    }
    out.close("policy_evaluated");
    out.close("row");
    out.open("identifiers");
    out.element("header_from", row.header_from);
    out.element("envelope_from", row.envelope_from);
    out.optional("envelope_to", row.envelope_to);
    out.close("identifiers");
    out.open("auth_results");
    for (const auto& one : row.dkim_results) {
        out.open("dkim");
        out.element("domain", one.domain);
        out.element("selector", one.selector);
        out.element("result", one.result);
        out.optional("human_result", one.human_result);
        out.close("dkim");
    }
    for (const auto& one : row.spf_results) {
        out.open("spf");
        out.element("domain", one.domain);
        out.optional("scope", one.scope);
        out.element("result", one.result);
        out.optional("human_result", one.human_result);
        out.close("spf");
    }
    out.close("auth_results");
    out.close("record");
}

}  // namespace

std::uint64_t AggregateReport::messages() const {
    std::uint64_t out = 0;
    for (const auto& row : rows) out += row.count;
    return out;
}

std::string to_xml(const AggregateReport& report) {
    Writer out;
    out.open("feedback", " xmlns=\"urn:ietf:params:xml:ns:dmarc-2.0\"");
    out.element("version", report.version);
    write_metadata(out, report);
    write_policy(out, report.policy);
    for (const auto& row : report.rows) write_row(out, row);
    out.close("feedback");
    return out.take();
}

}  // namespace reports
