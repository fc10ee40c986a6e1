// The trace fields we write (RFC 5321 §4.4): Received: and Return-Path:. Nothing a peer sent can break out of
// them.
#pragma once

#include "mail/date.hpp"
#include "mail/envelope.hpp"

#include <string>

namespace mail {

struct TraceOptions {
    std::string host_name;
    std::string mail_name = "Postrider";
    bool tls_details = true;          // smtpd_tls_received_header
    bool authenticated_user = false;  // smtpd_sasl_authenticated_header
};

/// The folded field with CRLF. "for <…>" is written only when there is exactly one recipient.
std::string received_field(const Envelope& envelope, const TraceOptions& options, std::string_view queue_id,
                           TimePoint at, std::chrono::minutes zone_offset);

}  // namespace mail
