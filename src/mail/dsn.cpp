#include "mail/dsn.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace mail {
namespace {

constexpr std::size_t value_max = 900;  // of one field line (RFC 5322 §2.1.1: 998)

std::string clean(std::string_view text) { return base::printable(text, value_max); }

// What a person can do about it, from the status (RFC 3463) and the remote's words.
std::string_view advice(const Status& status) {
    if (status.subject == 1 && (status.detail == 1 || status.detail == 6))
        return "Check the part of the address before the @ for a typing error, or ask the person for the "
               "right address.";
    if (status.subject == 1 && status.detail == 2)
        return "Check the part of the address after the @: that domain cannot be reached.";
    if (status.subject == 1 && status.detail == 10) return "That domain takes no mail at all.";
    if (status.subject == 2 && status.detail == 2)
        return "The mailbox is full. Try again later, or tell the person by another way.";
    if (status.subject == 2 && status.detail == 3)
        return "The message is too large for that mailbox. Send it without its attachments.";
    if (status.subject == 3 && status.detail == 4)
        return "The message is too large for that server. Send it without its attachments.";
    if (status.subject == 4 && status.detail == 6)
        return "The message went round in circles: a forwarding or an alias points back to itself. Tell the "
               "postmaster of that domain.";
    if (status.subject == 4 && (status.detail == 1 || status.detail == 7))
        return "The other server could not be reached for a long time. Try again later.";
    if (status.subject == 7)
        return "The receiving server's policy refused it. Its own words, above, often name a page that "
               "explains what to do.";
    return "If the reason above does not help, forward this report to your postmaster.";
}

std::string_view subject(DsnAction action) {
    switch (action) {
        case DsnAction::Failed:
            return "Undelivered Mail Returned to Sender";
        case DsnAction::Delayed:
            return "Delayed Mail (still being retried)";
        default:
            return "Successful Mail Delivery Report";
    }
}

std::string human_text(const DsnInput& input) {
    std::string out = fmt::format("This is the mail system at host {}.\r\n\r\n", input.reporting_mta);
    switch (input.kind) {
        case DsnAction::Failed:
            out +=
                "Your message could not be delivered to the recipients below. This report says why;\r\nyour "
                "message is attached.\r\n\r\n";
            break;
        case DsnAction::Delayed:
            out +=
                "Your message has not been delivered yet to the recipients below. You need not send\r\nit "
                "again: it will be tried further";
            if (input.retry_until) out += " until\r\n" + format_date(*input.retry_until, input.zone);
            out += ".\r\n\r\n";
            break;
        default:
            out += "Your message was handed over for the recipients below, as you asked to be told.\r\n\r\n";
            break;
    }
    for (const auto& recipient : input.recipients) {
        out += fmt::format("<{}>: {}\r\n", clean(recipient.recipient.address.text()), clean(recipient.text));
        if (input.kind == DsnAction::Failed) out += fmt::format("    {}\r\n", advice(recipient.status));
        out += "\r\n";
    }
    return out;
}

std::string address_type(std::string_view address) { return base::is_ascii(address) ? "rfc822" : "utf-8"; }

std::string status_part(const DsnInput& input) {
    std::string out = fmt::format("Reporting-MTA: dns; {}\r\n", input.reporting_mta);
    if (!input.envelope_id.empty())
        out += fmt::format("Original-Envelope-Id: {}\r\n", base::printable(input.envelope_id, 200));
    out += fmt::format("X-Postrider-Queue-ID: {}\r\nArrival-Date: {}\r\n", input.queue_id,
                       format_date(input.arrived, input.zone));
    for (const auto& recipient : input.recipients) {
        const std::string final_address = recipient.recipient.address.text();
        out +=
            fmt::format("\r\nFinal-Recipient: {}; {}\r\n", address_type(final_address), clean(final_address));
        if (const auto semicolon = recipient.recipient.dsn_original.find(';');
            semicolon != std::string::npos) {
            out += fmt::format("Original-Recipient: {}; {}\r\n",
                               clean(recipient.recipient.dsn_original.substr(0, semicolon)),
                               clean(recipient.recipient.dsn_original.substr(semicolon + 1)));
        } else if (recipient.recipient.original != recipient.recipient.address) {
            const std::string original = recipient.recipient.original.text();
            out += fmt::format("Original-Recipient: {}; {}\r\n", address_type(original), clean(original));
        }
        out +=
            fmt::format("Action: {}\r\nStatus: {}\r\n", to_text(recipient.action), recipient.status.text());
        if (!recipient.remote_mta.empty())
            out += fmt::format("Remote-MTA: {}\r\n", clean(recipient.remote_mta));
        if (!recipient.diagnostic.empty())
            out += fmt::format("Diagnostic-Code: {}\r\n", clean(recipient.diagnostic));
        else if (recipient.action == DsnAction::Failed || recipient.action == DsnAction::Delayed)
            out += fmt::format("Diagnostic-Code: x-postrider; {}\r\n", clean(recipient.text));
        if (input.retry_until && recipient.action == DsnAction::Delayed)
            out += fmt::format("Will-Retry-Until: {}\r\n", format_date(*input.retry_until, input.zone));
    }
    return out;
}

}  // namespace

std::string_view to_text(DsnAction action) {
    constexpr std::string_view words[] = {"failed", "delayed", "delivered", "relayed", "expanded"};
    return words[static_cast<std::size_t>(action)];
}

DsnText compose_dsn(const DsnInput& input) {
    const bool utf8 = input.smtputf8 || std::ranges::any_of(input.recipients, [](const auto& r) {
                          return !r.recipient.address.is_ascii();
                      });
    const std::string sender = input.sender.text();
    DsnText out;
    out.before = fmt::format(
        "Date: {}\r\nFrom: {} (Mail Delivery System)\r\nSubject: {}\r\nTo: {}\r\nMessage-ID: {}\r\n"
        "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"{}\"\r\n{}\r\n"
        "This is a MIME-encapsulated message.\r\n\r\n--{}\r\n"
        "Content-Description: Notification\r\nContent-Type: text/plain; charset=utf-8\r\n{}\r\n",
        format_date(input.now, input.zone), input.sender_from, subject(input.kind), sender, input.message_id,
        input.boundary, utf8 ? "Content-Transfer-Encoding: 8bit\r\n" : "", input.boundary,
        utf8 ? "Content-Transfer-Encoding: 8bit\r\n" : "");
    out.before += human_text(input);
    out.before += fmt::format(
        "--{}\r\nContent-Description: Delivery report\r\nContent-Type: message/{}delivery-status\r\n{}\r\n",
        input.boundary, utf8 ? "global-" : "", utf8 ? "Content-Transfer-Encoding: 8bit\r\n" : "");
    out.before += status_part(input);
    const bool full = input.original == DsnInput::Original::Full;
    const std::string_view type = full ? (utf8 ? "message/global" : "message/rfc822")
                                       : (utf8 ? "message/global-headers" : "text/rfc822-headers");
    out.before += fmt::format(
        "\r\n--{}\r\nContent-Description: Undelivered Message{}\r\nContent-Type: "
        "{}\r\nContent-Transfer-Encoding: 8bit\r\n\r\n",
        input.boundary, full ? "" : " Headers", type);
    out.after = fmt::format("\r\n--{}--\r\n", input.boundary);
    return out;
}

}  // namespace mail
