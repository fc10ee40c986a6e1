// Enhanced mail system status codes (RFC 3463, registry RFC 5248): class.subject.detail.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mail {

struct Status {
    std::uint16_t class_ = 0;  // 2 success, 4 transient, 5 permanent
    std::uint16_t subject = 0;
    std::uint16_t detail = 0;

    bool is_success() const { return class_ == 2; }
    bool is_permanent() const { return class_ == 5; }
    bool is_transient() const { return class_ == 4; }
    std::string text() const;  // "5.1.1"
    /// The status at the start of `text`, followed by a space or the end. nullopt: none, or out of the
    /// grammar (class 2, 4 or 5; subject and detail 1 to 3 digits, RFC 3463 §2).
    static std::optional<Status> parse_prefix(std::string_view text);
    auto operator<=>(const Status&) const = default;
};

/// An SMTP reply's content where code, status and text belong together; no CR or LF in `text`.
struct ReplyText {
    int code = 250;
    Status status{2, 0, 0};
    std::string text;
    bool is_positive() const { return code < 400; }
    std::string line() const;  // "550 5.1.1 <a@b>: …"
};

}  // namespace mail
