#include "reports/report_mail.hpp"

#include "base/base64.hpp"

#include <fmt/format.h>

namespace reports {

std::string report_id(std::string_view submitter, std::string_view policy_domain, std::uint64_t begin,
                      std::uint64_t end) {
    return fmt::format("{}-{}-{}@{}", begin, end, policy_domain, submitter);
}

std::string report_file_name(std::string_view submitter, const AggregateReport& report) {
    return fmt::format("{}!{}!{}!{}.xml.gz", submitter, report.policy.domain, report.begin, report.end);
}

std::string compose_report_mail(const ReportMail& mail, const AggregateReport& report,
                                std::string_view packed) {
    constexpr std::size_t line_octets = 76;
    const std::string file = report_file_name(mail.submitter, report);
    std::string out = fmt::format(
        "From: {}\r\nTo: {}\r\nDate: {}\r\nMessage-ID: <{}>\r\n"
        "Subject: Report Domain: {}\r\n Submitter: {}\r\n Report-ID: <{}>\r\n"
        "MIME-Version: 1.0\r\nAuto-Submitted: auto-generated\r\n"
        "Content-Type: multipart/mixed;\r\n boundary=\"{}\"\r\n\r\n",
        mail.from, mail.to.text(), mail::format_date(mail.now, mail.zone), report.report_id,
        report.policy.domain, mail.submitter, report.report_id, mail.boundary);
    out += fmt::format(
        "--{}\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"
        "This is an aggregate report (RFC 9990) of {}\r\nabout mail that said it was from {}.\r\n\r\n"
        "Messages: {}\r\n\r\nThe report is attached. It was sent because the DMARC record of that domain\r\n"
        "asks for reports in its rua tag.\r\n",
        mail.boundary, mail.submitter, report.policy.domain, report.messages());
    out += fmt::format(
        "--{}\r\nContent-Type: application/gzip;\r\n name=\"{}\"\r\nContent-Transfer-Encoding: base64\r\n"
        "Content-Disposition: attachment;\r\n filename=\"{}\"\r\n\r\n",
        mail.boundary, file, file);
    const std::string encoded = base::base64_encode(packed);
    for (std::size_t at = 0; at < encoded.size(); at += line_octets)
        out += encoded.substr(at, line_octets) + "\r\n";
    return out + fmt::format("--{}--\r\n", mail.boundary);
}

}  // namespace reports
