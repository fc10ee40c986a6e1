// Command lines out of arbitrary pieces (RFC 5321 §2.3.8, §4.5.3.1.4). A line that is too long is one error,
// never two commands: its rest is swallowed. Holds at most one line.
#pragma once

#include <string>
#include <string_view>

namespace smtp {

class LineDecoder {
 public:
    explicit LineDecoder(std::size_t line_octets_max) : max_(line_octets_max) {}
    enum class Kind { NeedMore, Line, TooLong };
    struct Result {
        Kind kind = Kind::NeedMore;
        std::size_t consumed = 0;   // of the input
        std::string_view line;      // without its end; valid until the next call
        bool bare_newline = false;  // it ended in LF alone
    };
    /// One line at most; call again with the rest.
    Result next(std::string_view input);
    /// Forgets a half line (before TLS).
    void reset();
    bool has_partial() const { return !partial_.empty() || skipping_; }

 private:
    std::size_t max_;
    std::string partial_;
    std::string complete_;
    bool skipping_ = false;
};

}  // namespace smtp
