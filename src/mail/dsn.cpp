#include "mail/dsn.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace mail {
namespace {

constexpr std::size_t value_max = 900;  // of one field line (RFC 5322 §2.1.1: 998)

std::string clean(std::string_view text) { return base::printable(text, value_max); }

/// message/delivery-status is plain ASCII (RFC 3464 §2.1), message/global-delivery-status UTF-8 (RFC 6533
/// §3).
enum class Charset { Ascii, Utf8 };

std::string as_ascii(std::string text) {
    for (char& c : text)
        if (static_cast<unsigned char>(c) >= 0x80) c = '?';
    return text;
}

std::string_view encoding_field(BodyType body) {
    return body == BodyType::SevenBit       ? ""
           : body == BodyType::EightBitMime ? "Content-Transfer-Encoding: 8bit\r\n"
                                            : "Content-Transfer-Encoding: binary\r\n";
}

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

/// "MAILER-DAEMON (Mail Delivery System)" has no domain yet.
std::string complete_from(const std::string& from, const std::string& domain) {
    if (from.find('@') != std::string::npos) return from;
    const auto end = std::min(from.find(' '), from.size());
    return from.substr(0, end) + "@" + domain + from.substr(end);
}

/// As the words' character set can hold it; UTF-8 holds everything.
std::string in_charset(std::string text, std::string_view charset) {
    if (base::iequals(charset, "us-ascii") || base::iequals(charset, "utf-8")) return text;
    return as_ascii(std::move(text));
}

std::string human_text(const DsnInput& input) {
    std::string out;
    for (const auto line : base::split(input.words.text, '\n')) out += std::string(line) + "\r\n";
    if (input.kind == DsnAction::Delayed && input.retry_until)
        out += "It will be tried until " + format_date(*input.retry_until, input.zone) + ".\r\n\r\n";
    std::string reasons;
    for (const auto& recipient : input.recipients) {
        reasons +=
            fmt::format("<{}>: {}\r\n", clean(recipient.recipient.address.text()), clean(recipient.text));
        if (input.kind == DsnAction::Failed) reasons += fmt::format("    {}\r\n", advice(recipient.status));
        reasons += "\r\n";
    }
    return out + in_charset(std::move(reasons), input.words.charset);
}

std::string address_type(std::string_view address) { return base::is_ascii(address) ? "rfc822" : "utf-8"; }

std::string status_part(const DsnInput& input, Charset charset) {
    const auto shown = [&](std::string_view text) {
        return charset == Charset::Ascii ? as_ascii(clean(text)) : clean(text);
    };
    std::string out = fmt::format("Reporting-MTA: dns; {}\r\n", input.reporting_mta);
    if (!input.envelope_id.empty())
        out += fmt::format("Original-Envelope-Id: {}\r\n", shown(input.envelope_id));
    out += fmt::format("X-Postrider-Queue-ID: {}\r\nArrival-Date: {}\r\n", input.queue_id,
                       format_date(input.arrived, input.zone));
    for (const auto& recipient : input.recipients) {
        const std::string final_address = recipient.recipient.address.text();
        out +=
            fmt::format("\r\nFinal-Recipient: {}; {}\r\n", address_type(final_address), shown(final_address));
        if (const auto semicolon = recipient.recipient.dsn_original.find(';');
            semicolon != std::string::npos) {
            out += fmt::format("Original-Recipient: {}; {}\r\n",
                               shown(recipient.recipient.dsn_original.substr(0, semicolon)),
                               shown(recipient.recipient.dsn_original.substr(semicolon + 1)));
        } else if (recipient.recipient.original != recipient.recipient.address) {
            const std::string original = recipient.recipient.original.text();
            out += fmt::format("Original-Recipient: {}; {}\r\n", address_type(original), shown(original));
        }
        out +=
            fmt::format("Action: {}\r\nStatus: {}\r\n", to_text(recipient.action), recipient.status.text());
        if (!recipient.remote_mta.empty())
            out += fmt::format("Remote-MTA: {}\r\n", shown(recipient.remote_mta));
        if (!recipient.diagnostic.empty())
            out += fmt::format("Diagnostic-Code: {}\r\n", shown(recipient.diagnostic));
        else if (recipient.action == DsnAction::Failed || recipient.action == DsnAction::Delayed)
            out += fmt::format("Diagnostic-Code: x-postrider; {}\r\n", shown(recipient.text));
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
    const std::string text = human_text(input);
    const bool plain = base::is_ascii(text);
    const bool named = !base::iequals(input.words.charset, "us-ascii");
    const std::string charset = named ? input.words.charset : plain ? "us-ascii" : "utf-8";
    const auto& words = input.words;
    const bool copy = input.whom == DsnInput::For::Postmaster && !words.postmaster_subject.empty();
    const std::string thread =
        input.about_message_id.empty()
            ? ""
            : fmt::format("References: {0}\r\nIn-Reply-To: {0}\r\n", input.about_message_id);
    const auto own = [](bool eight_bit) { return eight_bit ? BodyType::EightBitMime : BodyType::SevenBit; };
    const bool full = input.original == DsnInput::Original::Full;
    BodyType returned = input.original_body;
    if (!full && returned == BodyType::BinaryMime) returned = BodyType::EightBitMime;
    if (utf8) returned = std::max(returned, BodyType::EightBitMime);
    DsnText out;
    out.body = std::max(own(utf8 || !plain), returned);
    out.before = fmt::format(
        "Date: {}\r\nFrom: {}\r\nSubject: {}\r\nTo: {}\r\nMessage-ID: {}\r\n{}"
        "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"{}\"\r\n{}\r\n"
        "This is a MIME-encapsulated message.\r\n\r\n--{}\r\n"
        "Content-Description: Notification\r\nContent-Type: text/plain; charset={}\r\n{}\r\n",
        format_date(input.now, input.zone), complete_from(words.from, input.from_domain),
        copy ? words.postmaster_subject : words.subject, input.to.text(), input.message_id, thread,
        input.boundary, encoding_field(out.body), input.boundary, charset, encoding_field(own(!plain)));
    out.before += text;
    out.before += fmt::format(
        "--{}\r\nContent-Description: Delivery report\r\nContent-Type: message/{}delivery-status\r\n{}\r\n",
        input.boundary, utf8 ? "global-" : "", encoding_field(own(utf8)));
    out.before += status_part(input, utf8 ? Charset::Utf8 : Charset::Ascii);
    const std::string_view type = full ? (utf8 ? "message/global" : "message/rfc822")
                                       : (utf8 ? "message/global-headers" : "text/rfc822-headers");
    out.before +=
        fmt::format("\r\n--{}\r\nContent-Description: Undelivered Message{}\r\nContent-Type: {}\r\n{}\r\n",
                    input.boundary, full ? "" : " Headers", type, encoding_field(returned));
    out.after = fmt::format("\r\n--{}--\r\n", input.boundary);
    return out;
}

}  // namespace mail
