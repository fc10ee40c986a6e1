// What sendmail(1) does to a message: line ends, recipients out of the header (-t), Bcc: taken away, missing
// fields made (RFC 5321 §6.4 lets the first server do so, RFC 6409 §8). Pure.
#pragma once

#include "mail/address.hpp"
#include "mail/date.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace mail {

enum class EndOfInput { LoneDot, EndOfFile };  // without -i a line "." ends the message

/// LF or CRLF to CRLF; a stray CR becomes a space. Ends in CRLF unless empty.
std::string to_wire(std::string_view text, EndOfInput end);

struct HeaderRecipients {
    std::vector<Address> addresses;  // To, Cc, Bcc; of Resent- fields when there are any
    std::vector<std::string> wrong;
};
HeaderRecipients header_recipients(std::string_view message);

struct MissingFields {
    std::string from;        // "Full Name <user@example.org>"
    std::string message_id;  // with angle brackets
    TimePoint now;
    std::chrono::minutes zone{0};
};
/// The message with From:, Date: and Message-ID: where they were missing, and without Bcc:. A first line that
/// is no header field gets an empty line before it, so that nothing is lost.
std::string complete_header(std::string_view message, const MissingFields& missing);

}  // namespace mail
