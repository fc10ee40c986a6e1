// Which of the mechanisms a server has are offered: Postfix's smtpd_sasl_security_options and
// smtpd_sasl_mechanism_filter. Pure.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace sasl {

/// `options`: noanonymous, noplaintext, noactive, nodictionary, forward_secrecy, mutual_auth; each takes away
/// the mechanisms that do not have the property. Bearer tokens are plaintext: whoever sees one can use it.
/// Error: a word that is not one of these.
std::expected<std::vector<std::string>, std::string> with_security(std::vector<std::string> mechanisms,
                                                                   const std::vector<std::string>& options);

/// `filter`: the first word that matches decides: NAME, !NAME, static:ANYTHING (every name),
/// !static:ANYTHING. What none matches is left out, unless all words are negative; an empty filter takes
/// nothing away. Error: a table that is none.
std::expected<std::vector<std::string>, std::string> filtered(std::vector<std::string> mechanisms,
                                                              const std::vector<std::string>& filter);

}  // namespace sasl
