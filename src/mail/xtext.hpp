// xtext (RFC 3461 §4) for ENVID, ORCPT and AUTH parameters. Decoded values hold no control characters: what
// would decode to CR, LF or NUL is refused.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace mail {

std::optional<std::string> decode_xtext(std::string_view text);
std::string encode_xtext(std::string_view text);

}  // namespace mail
