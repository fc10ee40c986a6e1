// Addresses out of header fields (RFC 5322 §3.4): "Ann <ann@example.org>, (Bob) bob@example.org; team: a@b,
// c@d;". Tolerant: what is no address is left out and named. Pure; used by sendmail -t, by what rewrites
// header fields and by what asks who wrote a message.
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
    /// What stands beside an address, as written but for white space.
    struct Beside {
        std::string phrase;                // in front of <>; display_name() makes text of it
        std::string comment;               // what stood in (), decoded
        std::optional<std::size_t> group;  // which of `groups` it belongs to
    };
    std::vector<Beside> beside;       // of each address
    std::vector<std::string> groups;  // their names, in order, as phrases; a group may be empty
    std::vector<std::string> wrong;
    std::optional<std::size_t> wrong_at;  // where the first of them begins
    /// Where a quoted string, a comment or an angle bracket begins that does not end.
    std::optional<std::size_t> unclosed;
};
/// `text`: a field's value, unfolded or not.
AddressList parse_address_list(std::string_view text);

/// What people are shown for a phrase: without quotes; encoded words outside of them decoded (RFC 2047 §5).
std::string display_name(std::string_view phrase);

/// How long the address literal is that `text` begins with ("[IPv6:2001:db8::1]"): its colons are no group's.
/// 0: none.
std::size_t literal_octets(std::string_view text);

}  // namespace mail
