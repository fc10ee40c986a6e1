// The right-hand side of an alias, and the lines of .forward and :include: files (aliases(5)): addresses,
// /files, |commands, :include:s, \users. Pure.
#pragma once

#include "mail/address.hpp"

#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace delivery {

struct AliasAddress {
    mail::Address address;
    bool final = false;  // "\user": the mailbox, no further expansion
};
struct AliasFile {
    std::string path;
};
struct AliasCommand {
    std::string command;
};
struct AliasInclude {
    std::string path;
};
using AliasItem = std::variant<AliasAddress, AliasFile, AliasCommand, AliasInclude>;

struct AliasItems {
    std::vector<AliasItem> items;
    std::vector<std::string> wrong;  // what could not be read, for the log
};

/// `text`: one or more lines; '#' begins a comment line.
AliasItems parse_alias_value(std::string_view text);

}  // namespace delivery
