// A reply as it goes over the wire (RFC 5321 §4.2, §4.5.3.1.5): whatever a table, a policy server or another
// mail server put into its text, whole lines of at most 512 octets without control characters. Pure.
#pragma once

#include "mail/status.hpp"

#include <string>

namespace smtp {

/// "550 5.1.1 text\r\n", or several lines with the code and the status on each (RFC 2034 §4). What is longer
/// than eight lines ends in "...".
std::string reply_lines(const mail::ReplyText& reply);

}  // namespace smtp
