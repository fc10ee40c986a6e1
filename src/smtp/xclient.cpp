#include "smtp/xclient.hpp"

#include "base/text.hpp"
#include "mail/xtext.hpp"

#include <fmt/format.h>

namespace smtp {
namespace {

constexpr std::size_t value_octets_max = 255;

mail::ReplyText bad(std::string_view name, std::string_view value) {
    return {501,
            {5, 5, 4},
            fmt::format("Bad {} syntax: {}", base::printable(name, 32), base::printable(value, 64))};
}

bool is_clean(std::string_view value) {
    return value.size() <= value_octets_max && base::is_utf8(value) &&
           value.find_first_of(" \t\"<>()") == std::string_view::npos;
}

std::optional<std::uint16_t> port_number(std::string_view value) {
    const auto number = base::parse_number(value, UINT16_MAX);
    return number ? std::optional(static_cast<std::uint16_t>(*number)) : std::nullopt;
}

}  // namespace

std::expected<Xclient, mail::ReplyText> parse_xclient(std::string_view argument) {
    Xclient out;
    const auto words = base::split_any(argument, " ");
    if (words.empty())
        return std::unexpected(mail::ReplyText{501, {5, 5, 4}, "Syntax: XCLIENT attribute=value ..."});
    for (const auto word : words) {
        const auto equals = word.find('=');
        if (equals == std::string_view::npos)
            return std::unexpected(
                mail::ReplyText{501, {5, 5, 4}, "Error: attribute=value expected in XCLIENT"});
        const auto name = word.substr(0, equals);
        const auto decoded = mail::decode_xtext(word.substr(equals + 1));
        if (!decoded) return std::unexpected(bad(name, word.substr(equals + 1)));
        const bool unknown =
            base::iequals(*decoded, "[UNAVAILABLE]") || base::iequals(*decoded, "[TEMPUNAVAIL]");
        const std::string value = unknown ? "" : *decoded;
        if (!is_clean(value)) return std::unexpected(bad(name, value));
        const auto address_text = [&] {
            return base::istarts_with(value, "IPV6:") ? value.substr(5) : value;
        };
        const auto port = unknown ? std::optional<std::uint16_t>(0) : port_number(value);
        if (base::iequals(name, "NAME")) {
            out.name = unknown ? "unknown" : value;
        } else if (base::iequals(name, "REVERSE_NAME")) {
            out.reverse_name = unknown ? "unknown" : value;
        } else if (base::iequals(name, "ADDR")) {
            out.address = address_text();
        } else if (base::iequals(name, "DESTADDR")) {
            out.destination_address = address_text();
        } else if (base::iequals(name, "PORT") || base::iequals(name, "DESTPORT")) {
            if (!port) return std::unexpected(bad(name, value));
            (base::iequals(name, "PORT") ? out.port : out.destination_port) = *port;
        } else if (base::iequals(name, "PROTO")) {
            if (!base::iequals(value, "SMTP") && !base::iequals(value, "ESMTP"))
                return std::unexpected(bad(name, value));
            out.esmtp = base::iequals(value, "ESMTP");
        } else if (base::iequals(name, "HELO")) {
            out.helo = value;
        } else if (base::iequals(name, "LOGIN")) {
            out.login = value;
        } else {
            return std::unexpected(mail::ReplyText{
                501, {5, 5, 4}, fmt::format("Bad XCLIENT attribute name: {}", base::printable(name, 32))});
        }
    }
    return out;
}

}  // namespace smtp
