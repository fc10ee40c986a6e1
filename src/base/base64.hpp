// Base64 (RFC 4648 §4, as RFC 2045 §6.8 and RFC 4954 §4 use it).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace base {

std::string base64_encode(std::string_view bytes);
/// Strict: no white space, padding required and canonical. nullopt otherwise. "" gives "".
std::optional<std::string> base64_decode(std::string_view text);

/// Base64 for names and URLs (RFC 4648 §5), without padding (RFC 7515 §2).
std::string base64url_encode(std::string_view bytes);
/// Strict: no padding, no other characters. nullopt otherwise.
std::optional<std::string> base64url_decode(std::string_view text);

}  // namespace base
