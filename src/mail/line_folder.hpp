// Lines that are too long for SMTP (RFC 5321 §4.5.3.1.6) broken by CRLF and a space, as Postfix's client does
// (smtp_line_length_limit). Streams; holds back one octet at most. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <utility>

namespace mail {

class LineFolder {
 public:
    static constexpr std::size_t limit_min = 2;  // a broken line begins with a space, and must go on
    /// `limit`: octets of a line without its CRLF; limit_min or more.
    explicit LineFolder(std::size_t limit) : limit_(limit) {}
    /// The next octets, as they go on.
    std::string fold(std::string octets);
    /// What was held back.
    std::string finish() { return std::exchange(held_, {}); }
    bool folded() const { return folded_; }

 private:
    std::size_t limit_;
    std::size_t column_ = 0;  // octets of the line that has begun
    std::string held_;        // a CR, until it is known whether it ends the line
    bool folded_ = false;
};

}  // namespace mail
