// XCLIENT (Postfix's XCLIENT_README): a trusted proxy says who the client really is. Pure parsing; who may
// say it and what it changes is the session's and the connection's business.
#pragma once

#include "mail/status.hpp"

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace smtp {

/// nullopt: not said. NAME and REVERSE_NAME: "unknown" for [UNAVAILABLE] and [TEMPUNAVAIL].
struct Xclient {
    std::optional<std::string> name, reverse_name;
    std::optional<std::string> address;  // text of an IP address, "IPV6:" taken off; empty: [UNAVAILABLE]
    std::optional<std::uint16_t> port;   // 0: [UNAVAILABLE]
    std::optional<std::string> helo;     // empty: [UNAVAILABLE]
    std::optional<std::string> login;    // empty: [UNAVAILABLE]
    std::optional<bool> esmtp;
    std::optional<std::string> destination_address;
    std::optional<std::uint16_t> destination_port;
};

/// The attributes behind XCLIENT. The error is the reply to send.
std::expected<Xclient, mail::ReplyText> parse_xclient(std::string_view argument);

/// As EHLO offers it.
constexpr std::string_view xclient_keyword =
    "XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT REVERSE_NAME";

}  // namespace smtp
