// XFORWARD (Postfix's XFORWARD_README): a content filter, or who sends to one, passes on where a message came
// from. Unlike XCLIENT it decides nothing: it is for the log, for programs that are told about the client,
// and for the next one down the line. Pure.
#pragma once

#include "mail/envelope.hpp"
#include "mail/status.hpp"

#include <cstdint>
#include <deque>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace smtp {

/// nullopt: not said; empty or 0: [UNAVAILABLE].
struct Xforward {
    std::optional<std::string> name, address, helo, protocol;
    std::optional<std::string> queue_id;  // IDENT: under which the sender knows the message
    std::optional<std::uint16_t> port;
    std::optional<bool> local;  // SOURCE: written by one of ours, or by a stranger
    /// "name[address]", as logs show a client.
    std::string client() const;
};

/// Adds the attributes behind XFORWARD to `known`: they may come in several commands. The error is the reply
/// to send.
std::expected<void, mail::ReplyText> parse_xforward(std::string_view argument, Xforward& known);

/// As EHLO offers it.
constexpr std::string_view xforward_keyword = "XFORWARD NAME ADDR PROTO HELO SOURCE PORT IDENT";

/// What `said` says of the client takes the place of what is in `origin`.
void take_over(const Xforward& said, mail::Origin& origin);

/// What there is to say of a message's origin.
Xforward describe(const mail::Envelope& envelope, std::string queue_id);

/// The commands, each with its end of line and short enough for one; only the attributes that are `offered`.
std::deque<std::string> xforward_commands(const Xforward& what, const std::vector<std::string>& offered);

}  // namespace smtp
