#include "mail/xtext.hpp"

#include "base/text.hpp"

#include <fmt/format.h>

namespace mail {

std::optional<std::string> decode_xtext(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        char c = text[i];
        if (c == '+') {
            const auto octet = text.size() - i > 2 ? base::from_hex(text.substr(i + 1, 2)) : std::nullopt;
            if (!octet) return std::nullopt;
            c = octet->front();
            i += 2;
        } else if (c == '=' ||
                   c < 0x21) {  // also octets above 0x7e, which are negative as char; UTF-8 comes below
            if (static_cast<unsigned char>(c) < 0x80) return std::nullopt;
        }
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return std::nullopt;
        out += c;
    }
    return base::is_utf8(out) ? std::optional(out) : std::nullopt;
}

std::string encode_xtext(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c < 0x21 || c > 0x7e || c == '+' || c == '=')
            out += fmt::format("+{:02X}", static_cast<unsigned char>(c));
        else
            out += c;
    }
    return out;
}

}  // namespace mail
