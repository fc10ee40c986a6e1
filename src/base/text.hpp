// ASCII text: the only character class the mail protocols' keywords know. Locale plays no part anywhere.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace base {

constexpr bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
constexpr bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
constexpr bool is_alpha(char c) { return is_upper(c) || is_lower(c); }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_alnum(char c) { return is_alpha(c) || is_digit(c); }
/// Space, tab, CR, LF, VT, FF.
constexpr bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
/// Printable US-ASCII including the space (0x20 to 0x7e).
constexpr bool is_print(char c) { return c >= 0x20 && c < 0x7f; }
constexpr char to_lower(char c) { return is_upper(c) ? static_cast<char>(c + ('a' - 'A')) : c; }
constexpr char to_upper(char c) { return is_lower(c) ? static_cast<char>(c - ('a' - 'A')) : c; }

std::string lower(std::string_view text);
std::string upper(std::string_view text);
/// Equal without regard to the case of ASCII letters.
bool iequals(std::string_view a, std::string_view b);
bool istarts_with(std::string_view text, std::string_view prefix);
bool iends_with(std::string_view text, std::string_view suffix);
/// Without white space (is_space) at both ends.
std::string_view trim(std::string_view text);
/// Pieces between any of `separators`; empty pieces are dropped.
std::vector<std::string_view> split_any(std::string_view text, std::string_view separators);
/// Pieces between each `separator`; empty pieces are kept ("" gives one empty piece).
std::vector<std::string_view> split(std::string_view text, char separator);
/// Decimal digits only, no sign, no space; nullopt when empty, not a number, or above `max`.
std::optional<std::uint64_t> parse_number(std::string_view text, std::uint64_t max = UINT64_MAX);
std::string to_hex(std::string_view bytes);
/// nullopt on odd length or a character outside [0-9A-Fa-f].
std::optional<std::string> from_hex(std::string_view text);
/// True when `text` is well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms, at most U+10FFFF).
bool is_utf8(std::string_view text);
/// True when every octet is below 0x80.
bool is_ascii(std::string_view text);
/// For logs and replies: control characters, DEL and ill-formed UTF-8 become '?', cut at `max` octets with
/// "...".
std::string printable(std::string_view text, std::size_t max = 1000);

/// Case-insensitive ordering, for maps keyed by domain, header or keyword.
struct ILess {
    using is_transparent = void;
    bool operator()(std::string_view a, std::string_view b) const;
};

}  // namespace base
