// Who wrote a message, as DMARC asks (RFC 9989 §5.3.1): the domains of its From: fields. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mail {

struct Author {
    std::size_t from_fields = 0;         // RFC 5322 §3.6 wants exactly one
    std::vector<std::string> addresses;  // as read, in order
    std::vector<std::string> domains;    // A-labels, lower case, each once
    bool unreadable = false;             // something in From: is no address
    bool suspect = false;                // and it has an @: other readers may make an address of it
};

/// `header_block`: fields with CRLF (or LF) line ends. At most `domains_max` domains are collected.
Author find_author(std::string_view header_block, std::size_t domains_max = 10);

/// A domain with U-labels as A-labels (IDNA2008, UTS 46 mapping), lower case. nullopt: it has no such form.
std::optional<std::string> to_a_labels(std::string_view domain);

}  // namespace mail
