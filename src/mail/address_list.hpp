// Addresses out of header fields (RFC 5322 §3.4): "Ann <ann@example.org>, (Bob) bob@example.org; team: a@b,
// c@d;". Tolerant: what is no address is left out and named. Pure; used by sendmail -t and by what rewrites
// header fields.
#pragma once

#include "mail/address.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mail {

struct AddressList {
    std::vector<Address> addresses;
    struct Span {
        std::size_t begin, end;
    };
    std::vector<Span> places;  // of each address in the text, without its <>
    std::vector<std::string> wrong;
    /// Where a quoted string, a comment or an angle bracket begins that does not end.
    std::optional<std::size_t> unclosed;
};
/// `text`: a field's value, unfolded or not.
AddressList parse_address_list(std::string_view text);

}  // namespace mail
