// What was said in an SMTP session, commands and replies without content, for a notice to the postmaster.
// Bounded: the oldest lines are left out. What logs somebody in never stands in it. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace smtp {

class Transcript {
 public:
    enum class Side { Server, Client };
    static constexpr std::size_t octets_max = 16384;     // of all of it
    static constexpr std::size_t line_octets_max = 512;  // of a line; the rest is left out

    explicit Transcript(Side side) : side_(side) {}
    enum class Meaning {
        Command,
        Secret  // the answer to a challenge of AUTH: that there was one is all that is kept
    };
    /// One command or several, each a line.
    void commands(std::string_view lines, Meaning meaning);
    void replies(std::string_view lines);
    /// A message came through: what was said so far matters no more.
    void forget();
    /// Lines " Out: 220 …" and " In:  EHLO …" with CRLF, as seen from our side. Printable US-ASCII.
    std::string text() const;

 private:
    // A line as it is kept: what it is, the line, LF. Masked and made printable when somebody reads it: most
    // transcripts are forgotten.
    enum class Kind : char { Command = 'c', Secret = 's', Reply = 'r' };
    void add(Kind kind, std::string_view lines);
    void shorten();
    Side side_;
    std::string kept_;
    bool shortened_ = false;
    bool in_doubt_ = false;  // an AUTH may have been cut off
};

}  // namespace smtp
