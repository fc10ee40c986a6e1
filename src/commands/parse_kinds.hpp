// The kinds of `postrider parse` that stand in files of their own: each prints JSON and gives the exit
// status.
#pragma once

#include <cstddef>
#include <string_view>

namespace commands {

/// A server's reply, and one to EHLO, as our client reads them (RFC 5321 §4.2).
int parse_reply(std::string_view text);
int parse_ehlo(std::string_view text);

/// Prints {"error", "position"}; the exit status of malformed input.
int parse_failure(std::string_view what, std::size_t position);

}  // namespace commands
