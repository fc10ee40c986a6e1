// Replies as a client reads them (RFC 5321 §4.2), out of arbitrary pieces, safe against hostile servers: the
// number and the length of lines are bounded, codes are checked.
#pragma once

#include "mail/status.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace smtp {

struct Reply {
    int code = 0;
    std::vector<std::string> lines;  // without code, made printable

    bool positive() const { return code >= 200 && code < 300; }
    bool permanent() const { return code >= 500; }
    /// "550 5.1.1 no such user": the lines joined by spaces.
    std::string text() const;
    /// The enhanced status of the first line, or class.0.0.
    mail::Status status() const;
};

class ReplyParser {
 public:
    enum class Result { NeedMore, Complete, Malformed };
    /// Takes octets up to the end of one reply; `consumed` tells how many.
    Result feed(std::string_view input, std::size_t& consumed);
    /// After Complete; the parser is ready for the next reply.
    Reply take();

 private:
    static constexpr std::size_t line_octets_max = 4096;  // RFC 5321 §4.5.3.1.5 says 512
    static constexpr std::size_t lines_max = 200;
    std::string line_;
    Reply reply_;
};

}  // namespace smtp
