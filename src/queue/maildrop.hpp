// The files of the maildrop folder: a message that a program on this machine handed to sendmail(1), waiting
// to be picked up, also while the server is down. Pure: text both ways. A file is whole when its name has no
// dot in front.
//   postrider 1 / S sender / R recipient … / N notify / T ret / E envid / U smtputf8 / empty line / the
//   message, CRLF
#pragma once

#include "mail/envelope.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace queue {

struct DroppedMessage {
    mail::Envelope envelope;
    std::string content;  // CRLF line ends
};
constexpr std::size_t maildrop_recipients_max = 50000;

std::string encode(const DroppedMessage& message);
/// nullopt: not such a file, or damaged.
std::optional<DroppedMessage> decode_dropped(std::string_view text);

}  // namespace queue
