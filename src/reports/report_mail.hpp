// The mail that carries an aggregate report (RFC 9990 §3.5.2). Pure.
#pragma once

#include "mail/address.hpp"
#include "mail/date.hpp"
#include "reports/aggregate.hpp"

#include <string>
#include <string_view>

namespace reports {

/// The same whenever the report is made again (§3.5.1).
std::string report_id(std::string_view submitter, std::string_view policy_domain, std::uint64_t begin,
                      std::uint64_t end);
/// "receiver!policy-domain!begin!end.xml.gz".
std::string report_file_name(std::string_view submitter, const AggregateReport& report);

struct ReportMail {
    std::string from, submitter;  // from: an address
    mail::Address to;
    mail::TimePoint now;
    std::chrono::minutes zone{0};
    std::string boundary;
};

/// Header and body with CRLF line ends; lines of at most 998 octets, ASCII. `packed`: the XML, gzipped.
std::string compose_report_mail(const ReportMail& mail, const AggregateReport& report,
                                std::string_view packed);

}  // namespace reports
