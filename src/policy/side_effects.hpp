// What an access table, a restriction or a header check asks for beside accept and refuse, and how it changes
// an envelope.
#pragma once

#include "mail/envelope.hpp"

#include <string>
#include <vector>

namespace policy {

struct SideEffects {
    std::vector<std::string> prepend;  // header lines, without CRLF
    std::string filter;                // FILTER transport:destination
    std::string redirect;              // REDIRECT user@domain
    std::vector<std::string> bcc;
    bool hold = false;
    bool discard = false;  // accepted and dropped

    bool any() const;
    void add(const SideEffects& more);
    /// Before addresses are expanded: HOLD, FILTER, and the recipients of BCC.
    void apply_early(mail::Envelope& envelope) const;
    /// Afterwards: REDIRECT's address in place of all recipients; it goes without a filter (access(5)).
    void apply_late(mail::Envelope& envelope) const;
};

}  // namespace policy
