// Base64 (RFC 4648 §4, as RFC 2045 §6.8 and RFC 4954 §4 use it).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace base {

std::string base64_encode(std::string_view bytes);
/// Strict: no white space, padding required and canonical. nullopt otherwise. "" gives "".
std::optional<std::string> base64_decode(std::string_view text);

}  // namespace base
