// Values of MIME fields: parameters (RFC 2045 §5.1, RFC 2231 continuations and charsets), encoded words (RFC
// 2047), and the transfer encodings. Tolerant of what real programs write; bounded by the input. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mail {

/// "text/plain; charset=utf-8": what stands first, lower case, and the parameters in order. Comments are
/// removed.
struct ParameterizedValue {
    std::string first;
    std::vector<std::pair<std::string, std::string>> parameters;  // names lower case, values decoded to UTF-8
    /// "" when it is not there.
    std::string get(std::string_view name) const;
};
/// `value`: unfolded or not. At most `parameters_max` are read.
ParameterizedValue parse_parameterized(std::string_view value, std::size_t parameters_max = 200);

/// =?charset?B?…?= and =?charset?Q?…?= become UTF-8; white space between two of them goes (§6.2). A charset
/// that is neither UTF-8, US-ASCII nor ISO-8859-1 is left as it is, unless it was used for ASCII.
std::string decode_encoded_words(std::string_view text);

/// Octets outside the alphabet are passed over (RFC 2045 §6.8); padding ends it.
std::string decode_base64_lenient(std::string_view text);
/// What is no =XX stays as it is (RFC 2045 §6.7).
std::string decode_quoted_printable(std::string_view text);

}  // namespace mail
