// smtpd_reject_footer: what an administrator wants said behind every refusal. Pure.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace smtp {

using FooterValues = std::vector<std::pair<std::string_view, std::string>>;
/// "$name", "${name}" and "$(name)" by their values, unknown ones by nothing; control characters become "_".
std::string expand_footer(std::string_view text, const FooterValues& values);

/// `replies`: lines with CRLF. Each 4xx and 5xx reply goes on with the footer: on lines of its own with the
/// reply's code and status ("\n" begins another), or, when it begins with "\c", on the reply's last line.
std::string with_footer(std::string_view replies, std::string_view footer);

}  // namespace smtp
