#include "mail/address.hpp"

#include "base/text.hpp"

#include <algorithm>

namespace mail {

bool needs_quotes(std::string_view local_part) {
    constexpr std::string_view specials = "!#$%&'*+-/=?^_`{|}~.";
    if (local_part.empty() || local_part.front() == '.' || local_part.back() == '.') return true;
    if (local_part.find("..") != std::string_view::npos) return true;
    return !std::ranges::all_of(local_part, [&](char c) {
        return base::is_alnum(c) || static_cast<unsigned char>(c) >= 0x80 ||
               specials.find(c) != std::string_view::npos;
    });
}

std::string quote_local_part(std::string_view local_part) {
    if (!needs_quotes(local_part)) return std::string(local_part);
    std::string out = "\"";
    for (const char c : local_part) {
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    return out + "\"";
}

std::string Address::text() const {
    std::string out = quote_local_part(local_part);
    if (!domain.empty()) out += "@" + domain;
    return out;
}

std::string Address::key() const {
    return domain.empty() ? local_part : local_part + "@" + base::lower(domain);
}

bool Address::is_ascii() const { return base::is_ascii(local_part) && base::is_ascii(domain); }

}  // namespace mail
