// SmtpConnection: the header of what comes in: who its authors are, missing fields that a submission server
// adds, the trace field on top.
#include "mail/address_list.hpp"
#include "mail/date.hpp"
#include "server/smtp_connection.hpp"

#include <fmt/format.h>

namespace server {
namespace {

/// What is no address stands in the list as it is, and is nobody's.
void collect_authors(std::string_view field, std::vector<std::string>& out) {
    constexpr std::size_t authors_max = 1000;
    auto list = mail::parse_address_list(field.substr(field.find(':') + 1));
    for (const auto& address : list.addresses) out.push_back(address.text());
    for (auto& text : list.wrong) out.push_back(std::move(text));
    if (list.addresses.empty() && list.wrong.empty()) out.emplace_back();
    if (out.size() <= authors_max) return;
    out.resize(authors_max);
    out.emplace_back();  // more than anybody writes: nobody's
}

}  // namespace

void SmtpConnection::make_author_reader() {
    if (session_.user().empty() || service_->author_check == policy::AuthorCheck::None) return;
    static const mail::FieldReader::Names author_fields{"From", "Sender"};
    auto read = [content = content_.get()](std::string_view field) {
        collect_authors(field, content->authors);
    };
    content_->author_reader = std::make_unique<mail::FieldReader>(author_fields, std::move(read));
}

/// What a submission server may add (RFC 6409 §8): Date, Message-ID, From.
std::string SmtpConnection::missing_fields(const mail::HeaderScanner& header, const mail::Envelope& envelope,
                                           const std::string& queue_id) const {
    const auto now = services_.loop.clock().wall();
    std::string out;
    if (!header.has_date())
        out += fmt::format("Date: {}\r\n", mail::format_date(now, services_.loop.clock().zone_offset(now)));
    if (header.message_id().empty())
        out += fmt::format("Message-ID: <{}.{}@{}>\r\n", env::unix_time(now), queue_id,
                           service_->options->host_name);
    if (!header.has_from()) {
        mail::Address from = envelope.sender.is_null()
                                 ? mail::Address{"MAILER-DAEMON", service_->options->host_name}
                                 : envelope.sender.address();
        if (from.domain.empty()) from.domain = service_->append_domain;
        out += fmt::format("From: {}\r\n", from.text());
    }
    return out;
}

mail::TraceOptions SmtpConnection::trace_options() const {
    const auto& options = *service_->options;
    mail::TraceOptions out;
    out.host_name = options.host_name;
    out.mail_name = options.mail_name;
    out.tls_details = options.tls_received_header;
    out.authenticated_user = options.authenticated_header;
    out.hide_client = options.hide_client_session;
    const auto* tls = stream_->tls();
    if (!tls || !out.tls_details) return out;
    out.key_exchange = tls->key_exchange;
    out.server_signature = tls->server_signature;
    out.client_signature = tls->client_signature;
    if (!tls->peer_fingerprint.empty())
        out.client_certificate = mail::certificate_comment(
            tls->peer_name, tls->peer_issuer, tls->peer_problem.empty() ? "verified OK" : "not verified");
    else
        out.client_certificate = service_->asks_certificate ? "Client did not present a certificate"
                                                            : "No client certificate requested";
    return out;
}

}  // namespace server
