#include "mail/received.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace mail {
namespace {

// Text that stands in a comment: parentheses and backslashes would end or bend it.
std::string comment(std::string_view text) {
    constexpr std::size_t text_max = 255;
    std::string out;
    for (const char c : base::printable(text, text_max)) out += c == '(' || c == ')' || c == '\\' ? '?' : c;
    return out;
}

// An EHLO argument outside comments: an atom or a literal; anything else is made harmless.
std::string host(std::string_view text) {
    constexpr std::size_t text_max = 255;
    std::string out;
    for (const char c : text.substr(0, text_max)) {
        const bool good = base::is_alnum(c) || std::string_view("-._:[]").find(c) != std::string_view::npos ||
                          static_cast<unsigned char>(c) >= 0x80;
        out += good ? c : '?';
    }
    return out.empty() ? "unknown" : out;
}

// The lines break where Postfix's do.
std::string tls_comments(const Origin& origin, const TraceOptions& options) {
    std::string out = fmt::format("\r\n\t(using {} with cipher {}", origin.tls_protocol, origin.tls_cipher);
    if (!options.key_exchange.empty()) out += "\r\n\t key-exchange " + options.key_exchange;
    if (!options.server_signature.empty())
        out += (options.key_exchange.empty() ? "\r\n\t server-signature " : " server-signature ") +
               options.server_signature;
    if (!options.client_signature.empty()) out += "\r\n\t client-signature " + options.client_signature;
    out += ")";
    if (!options.client_certificate.empty()) out += "\r\n\t(" + options.client_certificate + ")";
    return out;
}

}  // namespace

std::string certificate_comment(std::string_view name, std::string_view issuer, std::string_view verdict) {
    const auto quoted = [](std::string_view text) {
        std::string out = comment(text);
        std::ranges::replace(out, '"', '?');
        return out;
    };
    return fmt::format("Client CN \"{}\", Issuer \"{}\" ({})", quoted(name), quoted(issuer), verdict);
}

std::string received_field(const Envelope& envelope, const TraceOptions& options, std::string_view queue_id,
                           TimePoint at, std::chrono::minutes zone_offset) {
    const Origin& origin = envelope.origin;
    std::string out = "Received: ";
    if (options.hide_client) {
        out += fmt::format("by {} ({}) with {} id {}", options.host_name, options.mail_name, origin.protocol,
                           queue_id);
    } else if (origin.client_address == "local") {
        out += fmt::format("by {} ({}, from userid {})\r\n\tid {}", options.host_name, options.mail_name,
                           comment(origin.helo), queue_id);
    } else {
        const bool v6 = origin.client_address.find(':') != std::string::npos;
        out += fmt::format("from {} ({} [{}{}])", host(origin.helo), comment(origin.client_name),
                           v6 ? "IPv6:" : "", comment(origin.client_address));
        if (options.tls_details && !origin.tls_protocol.empty()) out += tls_comments(origin, options);
        if (options.authenticated_user && !origin.sasl_username.empty())
            out += fmt::format("\r\n\t(Authenticated sender: {})", comment(origin.sasl_username));
        out += fmt::format("\r\n\tby {} ({}) with {} id {}", options.host_name, options.mail_name,
                           origin.protocol, queue_id);
    }
    if (envelope.recipients.size() == 1) {
        const std::string recipient = envelope.recipients.front().original.text();
        if (recipient.find_first_of("\r\n") == std::string::npos)
            out += fmt::format("\r\n\tfor <{}>", recipient);
    }
    return out + "; " + format_date(at, zone_offset) + "\r\n";
}

}  // namespace mail
