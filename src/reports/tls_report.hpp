// SMTP TLS reports (RFC 8460 §4): how others fared when they wanted to send to us over TLS. Pure.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace reports {

struct TlsFailure {
    std::string result_type, sending_ip, receiving_ip, receiving_host, receiving_helo, reason, information;
    std::uint64_t sessions = 0;
};
struct TlsPolicyResult {
    std::string type, domain;  // type: "sts", "tlsa", "no-policy-found"; another word is kept as it is
    std::vector<std::string> policy, hosts;
    std::uint64_t successful = 0, failed = 0;
    std::vector<TlsFailure> failures;
};
struct TlsReport {
    std::string organization, contact, report_id;
    std::uint64_t begin = 0, end = 0;  // Unix time; 0: it says none that can be read
    std::vector<TlsPolicyResult> policies;
};

struct TlsReportLimits {
    std::size_t octets_max = 4UL << 20;
    std::size_t values_max = 200'000;  // of the JSON
    std::size_t list_max = 1000;
    std::size_t text_max = 1000;
};

/// RFC 3339's date-time, UTC or with an offset, as Unix time.
std::expected<std::uint64_t, std::string> parse_date_time(std::string_view text);

std::expected<TlsReport, std::string> parse_tls_report(std::string_view octets,
                                                       const TlsReportLimits& limits = {});

}  // namespace reports
