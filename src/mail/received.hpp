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
    bool hide_client = false;         // smtpd_hide_client_session: nothing of who sent it, and how
    /// Behind protocol and cipher, as env::TlsInfo has it: "X25519", "RSA-PSS (2048 bits) server-digest
    /// SHA256".
    std::string key_exchange, server_signature, client_signature;
    std::string client_certificate;  // "Client CN \"x\", Issuer \"y\" (verified OK)"; empty: nothing is said
};
/// The client_certificate of a client that showed one, made harmless.
std::string certificate_comment(std::string_view name, std::string_view issuer, std::string_view verdict);

/// The folded field with CRLF. "for <…>" is written only when there is exactly one recipient.
std::string received_field(const Envelope& envelope, const TraceOptions& options, std::string_view queue_id,
                           TimePoint at, std::chrono::minutes zone_offset);

}  // namespace mail
