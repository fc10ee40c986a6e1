// What XCLIENT and XFORWARD (Postfix's XCLIENT_README and XFORWARD_README) have in common: a row of
// NAME=value, each value in xtext. Pure.
#pragma once

#include "mail/status.hpp"

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace smtp {

struct ClientAttribute {
    std::string_view name;  // as sent
    std::string value;      // decoded; empty where it is [UNAVAILABLE] or [TEMPUNAVAIL]
    bool unknown = false;
};
/// The error is the reply to send. `verb`: for its text.
std::expected<std::vector<ClientAttribute>, mail::ReplyText> parse_client_attributes(
    std::string_view argument, std::string_view verb);
/// "501 5.5.4 Bad NAME syntax: …".
mail::ReplyText bad_attribute(std::string_view name, std::string_view value);
/// "501 5.5.4 Bad XCLIENT attribute name: …".
mail::ReplyText unknown_attribute(std::string_view name, std::string_view verb);

/// Values of ADDR (without "IPV6:") and PORT (0: not known; nullopt: no number).
std::string address_of(const ClientAttribute& attribute);
std::optional<std::uint16_t> port_of(const ClientAttribute& attribute);

/// "[UNAVAILABLE]" for an empty value, else xtext.
std::string encode_attribute(std::string_view value);

}  // namespace smtp
