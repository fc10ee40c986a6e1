// A mailbox address as a value (RFC 5321 §4.1.2, RFC 6531 §3.3). What a parser accepted is proof: it holds no
// CR, LF, NUL or other control character. Who: everything. The parsers are in mail/path.hpp.
#pragma once

#include <compare>
#include <string>
#include <string_view>
#include <utility>

namespace mail {

struct Address {
    std::string local_part;  // without quotes and quoted-pairs: `a b` for "a b"@example.org; case kept
    std::string domain;  // as given, without trailing dot; "[192.0.2.1]" for a literal; may be empty for bare
                         // local users

    bool is_literal() const { return domain.starts_with('['); }
    /// local_part@domain, the local part quoted where the grammar asks for it (RFC 5321 §4.1.2).
    std::string text() const;
    /// local_part "@" lower-case domain, unquoted: the key for tables and comparisons.
    std::string key() const;
    bool is_ascii() const;
    auto operator<=>(const Address&) const = default;
};

/// True when a local part needs quotes on the wire.
bool needs_quotes(std::string_view local_part);
std::string quote_local_part(std::string_view local_part);

/// MAIL FROM's path: an address, or the null reverse path "<>" of notifications.
class ReversePath {
 public:
    ReversePath() = default;  // null
    explicit ReversePath(Address address) : null_(false), address_(std::move(address)) {}
    static ReversePath null() { return {}; }
    bool is_null() const { return null_; }
    const Address& address() const { return address_; }
    /// "" for the null path, else Address::text(). Without angle brackets.
    std::string text() const { return null_ ? std::string{} : address_.text(); }
    auto operator<=>(const ReversePath&) const = default;

 private:
    bool null_ = true;
    Address address_;
};

}  // namespace mail
