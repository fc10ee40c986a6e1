// A domain name as presentation text: lower-case ASCII labels without the trailing dot; "" is the root.
// Limits of RFC 1035 §2.3.4: 63 octets a label, 253 octets of text.
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dns {

class Name {
 public:
    Name() = default;  // the root
    /// Accepts a trailing dot and upper case. nullopt: empty label, label over 63 octets, over 253 octets in
    /// all, or an octet outside printable ASCII. Underscores and other printable octets are allowed (RFC 2181
    /// §11). A U-label must be converted first.
    static std::optional<Name> parse(std::string_view text);
    const std::string& text() const { return text_; }
    bool is_root() const { return text_.empty(); }
    std::vector<std::string_view> labels() const;
    /// "example.com" of "mail.example.com"; the root of a single label.
    Name parent() const;
    /// True when this is `other` or below it.
    bool is_within(const Name& other) const;
    /// nullopt when the result breaks a limit.
    std::optional<Name> prepend(std::string_view label) const;
    auto operator<=>(const Name&) const = default;

 private:
    std::string text_;
};

}  // namespace dns
