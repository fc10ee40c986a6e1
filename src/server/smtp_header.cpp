// SmtpConnection: the header of what comes in: fields that are dropped, missing ones that a submission server
// adds, addresses without a domain, the trace field on top.
#include "mail/address_field.hpp"
#include "mail/address_list.hpp"
#include "mail/date.hpp"
#include "server/smtp_connection.hpp"

#include <fmt/format.h>

namespace server {
namespace {

const mail::HeaderFilter::Names address_fields{"From",        "Sender",        "Reply-To",  "To",       "Cc",
                                               "Resent-From", "Resent-Sender", "Resent-To", "Resent-Cc"};

bool names_author(std::string_view field) {
    const auto name = base::trim(field.substr(0, field.find(':')));
    return base::iequals(name, "From") || base::iequals(name, "Sender");
}

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

/// What was submitted has its address fields looked at; what only passes through keeps them as they are.
std::unique_ptr<mail::HeaderFilter> SmtpConnection::make_filter() {
    static const mail::HeaderFilter::Names none;
    const bool submitted = content_->mended || !session_.user().empty();
    if (!submitted && service_->drop_headers.empty()) return nullptr;
    auto rewrite = [content = content_.get(), &origin = service_->append_domain](std::string_view field) {
        const bool completed = content->mended && !origin.empty();
        std::string out = completed ? mail::qualify_addresses(field, origin) : std::string(field);
        if (names_author(field)) collect_authors(out, content->authors);
        return out;
    };
    return std::make_unique<mail::HeaderFilter>(service_->drop_headers, submitted ? address_fields : none,
                                                std::move(rewrite));
}

/// The content on its way to the store. What is verified is read as it came, what is signed as it goes on.
void SmtpConnection::refine(std::string_view piece, std::string& out) {
    auto& content = *content_;
    const bool verify = content.check && content.check->role() == policy::ContentCheck::Role::Verify;
    if (!content.filter) {
        content.check->feed(piece, out);
        return;
    }
    content.between.clear();
    if (verify) {
        content.check->feed(piece, content.between);
        content.filter->feed(content.between, out);
    } else if (content.check) {
        content.filter->feed(piece, content.between);
        content.check->feed(content.between, out);
    } else {
        content.filter->feed(piece, out);
    }
}

void SmtpConnection::refine_end(std::string& out) {
    auto& content = *content_;
    const bool verify = content.check && content.check->role() == policy::ContentCheck::Role::Verify;
    content.between.clear();
    if (verify) content.check->end(content.between);
    if (content.filter) {
        std::string& filtered = verify || !content.check ? out : content.between;
        if (verify) content.filter->feed(content.between, out);
        content.filter->end(filtered);
    } else if (verify) {
        out += content.between;
    }
    if (!content.check || verify) return;
    content.check->feed(content.between, out);
    content.check->end(out);
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
