// Failure reports about single messages: the Abuse Reporting Format (RFC 5965) with the fields of RFC 6591
// and RFC 9991, and the plain-text letters that some senders write instead. Pure.
#pragma once

#include "reports/mime_parts.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace reports {

struct FailureReport {
    std::string feedback_type, user_agent, version;
    std::string auth_failure, delivery_result, identity_alignment;  // lower case
    std::string arrival_date, source_ip, reporting_mta;
    std::uint64_t source_port = 0, incidents = 1;
    std::string original_envelope_id, original_mail_from;
    std::vector<std::string> original_rcpt_to, reported_domains, reported_uris, authentication_results;
    std::string dkim_domain, dkim_identity, dkim_selector, dkim_selector_dns, dkim_adsp_dns, spf_dns;
    // Of the message it is about, where the report holds it or its header.
    std::string header_from, subject, message_id;
};

/// nullopt: these parts hold no failure report.
std::optional<FailureReport> read_failure_report(const std::vector<MimePart>& parts);

}  // namespace reports
