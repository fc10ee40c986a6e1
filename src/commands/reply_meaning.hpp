// What an SMTP reply means, for people: the code (RFC 5321 §4.2.3, RFC 4954, RFC 3207, RFC 7504) and the
// enhanced status code (RFC 3463, RFC 5248), with what to do about it. Pure.
#pragma once

#include <string>
#include <string_view>

namespace commands {

/// One sentence of the code alone.
std::string_view code_meaning(int code);
/// Of the enhanced code a reply's text begins with ("5.7.8 Error: …"); "": it has none, or one nobody needs
/// told.
std::string_view status_meaning(std::string_view text);
/// Both together.
std::string reply_meaning(int code, std::string_view text);

}  // namespace commands
