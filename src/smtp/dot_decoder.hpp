// The content after DATA (RFC 5321 §4.5.2): undoes dot-stuffing, finds the end, which is <CR><LF>.<CR><LF>
// and nothing else. A line that ends in LF alone is content and gets its CRLF; a lone dot between such line
// ends is content too, so no text can be smuggled behind it. A bare CR becomes a space, as it must never be
// sent on.
#pragma once

#include <string>
#include <string_view>

namespace smtp {

class DotDecoder {
 public:
    struct Result {
        std::size_t consumed = 0;  // of the input; what follows belongs to the next command
        bool finished = false;
    };
    /// Appends the content to `out` (never more than input.size() + 4 octets).
    Result decode(std::string_view input, std::string& out);
    bool bare_newline_seen() const { return bare_newline_; }
    bool bare_return_seen() const { return bare_return_; }

 private:
    Result decode_joined(std::string_view input, std::string& out);
    void text(std::string_view text, std::string& out);
    std::string held_;  // "\r", ".", or ".\r": cannot be judged yet
    bool at_line_start_ = true;
    bool previous_standard_ = true;  // the line before ended in CRLF; DATA's own line did
    bool bare_newline_ = false;
    bool bare_return_ = false;
};

/// Dot-stuffing for sending (RFC 5321 §4.5.2), over pieces of any size. Input has CRLF line ends; a stray CR
/// or LF in it becomes a space: one message stays one.
class DotEncoder {
 public:
    void encode(std::string_view content, std::string& out);
    /// The end mark, after a CRLF if the content lacks one.
    void finish(std::string& out);

 private:
    bool at_line_start_ = true;
    bool pending_return_ = false;
};

}  // namespace smtp
