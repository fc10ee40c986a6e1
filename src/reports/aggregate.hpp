// A DMARC aggregate report as a value (RFC 9990 §3.1; RFC 7489 Appendix C's older form), its XML both ways.
// Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace reports {

/// The words of the record that was found. As in a report: "" where it says nothing.
struct PublishedPolicy {
    std::string domain, discovery_method, p, sp, np, adkim, aspf, fo, testing, pct;
    bool operator==(const PublishedPolicy&) const = default;
};

struct OverrideReason {
    std::string type, comment;
    bool operator==(const OverrideReason&) const = default;
};
struct DkimOutcome {
    std::string domain, selector, result, human_result;
    bool operator==(const DkimOutcome&) const = default;
};
struct SpfOutcome {
    std::string domain, scope, result, human_result;
    bool operator==(const SpfOutcome&) const = default;
};

/// One "record" element: messages that fared alike.
struct AggregateRow {
    std::string source_ip;
    std::uint64_t count = 0;
    std::string disposition, dkim, spf;  // dkim, spf: aligned and passed, "pass" or "fail"
    std::vector<OverrideReason> reasons;
    std::string header_from, envelope_from, envelope_to;
    std::vector<DkimOutcome> dkim_results;
    std::vector<SpfOutcome> spf_results;
    bool operator==(const AggregateRow&) const = default;
    bool passed() const { return dkim == "pass" || spf == "pass"; }
};

struct AggregateReport {
    std::string version, org_name, email, extra_contact, report_id, generator;
    std::vector<std::string> errors;   // what the reporter says about our record
    std::uint64_t begin = 0, end = 0;  // Unix time
    PublishedPolicy policy;
    std::vector<AggregateRow> rows;
    std::vector<std::string> problems;  // of its form, when it was read: what was mended or left out
    bool operator==(const AggregateReport&) const = default;
    std::uint64_t messages() const;
};

/// The whole document, UTF-8, in the RFC 9990 namespace.
std::string to_xml(const AggregateReport& report);

struct AggregateLimits {
    std::size_t octets_max = 16UL << 20;
    std::size_t markup_max = 600'000;  // '<' and '=' together: what the tree's memory grows with
    std::size_t rows_max = 15'000;
    std::size_t list_max = 100;  // DKIM results, SPF results, reasons of one row (RFC 9990 §3.1.3)
    std::size_t text_max = 500;  // octets kept of one text
    std::size_t problems_max = 20;
};

/// Tolerant: names in any namespace, elements in any order, what is missing or odd goes to `problems`. A
/// document that ends too early gives the rows that are whole. Entities are never defined by the document.
/// Error: where and why nothing of use could be read.
std::expected<AggregateReport, std::string> parse_aggregate_xml(std::string_view octets,
                                                                const AggregateLimits& limits = {});

}  // namespace reports
