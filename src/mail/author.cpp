#include "mail/author.hpp"

#include "base/text.hpp"
#include "mail/address_list.hpp"

#include <algorithm>
#include <idn2.h>

namespace mail {

std::optional<std::string> to_a_labels(std::string_view domain) {
    if (base::is_ascii(domain)) return base::lower(domain);
    if (!base::is_utf8(domain) || domain.find('\0') != std::string_view::npos) return std::nullopt;
    char* converted = nullptr;
    const std::string text(domain);
    const int code = idn2_to_ascii_8z(text.c_str(), &converted, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    if (code != IDN2_OK || !converted) return std::nullopt;
    std::string out = base::lower(converted);
    idn2_free(converted);
    return out;
}

Author find_author(std::string_view header_block, std::size_t domains_max) {
    Author out;
    std::size_t at = 0;
    while (at < header_block.size()) {
        // One field with its continuation lines.
        std::size_t end = at;
        do {
            end = std::min(header_block.find('\n', end), header_block.size() - 1) + 1;
        } while (end < header_block.size() && (header_block[end] == ' ' || header_block[end] == '\t'));
        const std::string_view field = header_block.substr(at, end - at);
        at = end;
        const auto colon = field.find(':');
        if (colon == std::string_view::npos || !base::iequals(base::trim(field.substr(0, colon)), "from"))
            continue;
        ++out.from_fields;
        const auto list = parse_address_list(field.substr(colon + 1));
        out.unreadable = out.unreadable || !list.wrong.empty() || list.addresses.empty();
        out.suspect = out.suspect || std::ranges::any_of(list.wrong, [](const auto& text) {
                          return text.find('@') != std::string::npos;
                      });
        for (const auto& address : list.addresses) {
            out.addresses.push_back(address.text());
            auto domain = to_a_labels(address.domain);
            if (!domain || domain->empty()) {
                out.unreadable = true;
                continue;
            }
            if (domain->ends_with('.')) domain->pop_back();
            if (std::ranges::find(out.domains, *domain) == out.domains.end() &&
                out.domains.size() < domains_max)
                out.domains.push_back(std::move(*domain));
        }
    }
    return out;
}

}  // namespace mail
