// SASLprep (RFC 4013): the one form in which user names and passwords are compared, so that a name typed on
// another keyboard is the same name. Pure; libidn does the mapping.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sasl {

/// What is kept (Stored) may hold no code point that is not assigned yet; what is asked for (Query) may
/// (RFC 3454 §7).
enum class PrepareFor { Stored, Query };

/// ASCII without control characters comes back as it is. nullopt: ill-formed UTF-8, a character that is
/// forbidden, nothing left, or too long to look at.
std::optional<std::string> prepared(std::string_view text, PrepareFor purpose = PrepareFor::Query);

/// The same; what cannot be prepared is taken as it is (passwords in old character sets).
std::string prepared_or_same(std::string_view text);

}  // namespace sasl
