// Addresses within a header field (From:, To:, …) as the field's text: completing those without a domain in
// place, so that everything else stays octet for octet as the author wrote it. Pure.
#pragma once

#include <string>
#include <string_view>

namespace mail {

/// The field with "@domain" behind each address that has none: "From: ann" or "Cc: Ann <ann>, bob@x". What
/// is no address (a name alone, a group's name, "<>") is left as it is.
std::string qualify_addresses(std::string_view field, std::string_view domain);

}  // namespace mail
