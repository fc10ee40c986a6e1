#include "spf/macro.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <ranges>
#include <vector>

namespace spf {
namespace {

constexpr std::string_view delimiters = ".-+,/_=";

struct MacroExpand {
    char letter = 0;
    unsigned keep = 0;  // 0: all parts
    bool reversed = false;
    std::string_view separators = ".";
    std::size_t length = 0;  // of the whole "%{…}"
};

// "%{" macro-letter transformers *delimiter "}" at the start of `text`; length 0 when it is not one.
MacroExpand parse_expand(std::string_view text, MacroPlace place) {
    MacroExpand out;
    const auto end = text.find('}');
    if (!text.starts_with("%{") || end == std::string_view::npos || end < 3) return out;
    std::string_view inner = text.substr(2, end - 2);
    const char letter = inner.front();
    const std::string_view letters = place == MacroPlace::Explanation ? "slodiphcrtv" : "slodiphv";
    if (letters.find(base::to_lower(letter)) == std::string_view::npos) return out;
    inner.remove_prefix(1);
    const auto digits = std::min(inner.find_first_not_of("0123456789"), inner.size());
    if (digits > 0) {
        const auto keep = base::parse_number(inner.substr(0, digits), 1'000'000);
        if (keep && *keep == 0) return out;  // "the DIGIT transformer MUST be nonzero" (§7.3)
        out.keep = keep ? static_cast<unsigned>(*keep) : 1'000'000;
        inner.remove_prefix(digits);
    }
    if (!inner.empty() && base::to_lower(inner.front()) == 'r') {
        out.reversed = true;
        inner.remove_prefix(1);
    }
    if (inner.find_first_not_of(delimiters) != std::string_view::npos) return out;
    if (!inner.empty()) out.separators = inner;
    out.letter = letter;
    out.length = end + 1;
    return out;
}

std::string ip_macro(const env::IpAddress& ip) {
    if (ip.is_v4()) return ip.text();
    std::string out;
    for (const auto octet : ip.bytes())
        out += fmt::format("{}{:x}.{:x}", out.empty() ? "" : ".", octet >> 4, octet & 15);
    return out;
}

std::string value_of(char letter, const MacroValues& values) {
    switch (base::to_lower(letter)) {
        case 's':
            return values.sender;
        case 'l':
            return values.local_part;
        case 'o':
            return values.sender_domain;
        case 'd':
            return values.domain;
        case 'i':
            return ip_macro(values.ip);
        case 'p':
            return values.validated_name;
        case 'h':
            return values.helo;
        case 'c':
            return values.ip.text();
        case 'r':
            return values.receiver;
        case 't':
            return std::to_string(values.unix_time);
        case 'v':
            return values.ip.is_v4() ? "in-addr" : "ip6";
        default:
            return {};
    }
}

std::string transform(const std::string& value, const MacroExpand& how) {
    if (how.keep == 0 && !how.reversed && how.separators == ".") return value;
    std::vector<std::string_view> parts;
    std::string_view rest = value;
    for (;;) {
        const auto end = rest.find_first_of(how.separators);
        parts.push_back(rest.substr(0, end));
        if (end == std::string_view::npos) break;
        rest.remove_prefix(end + 1);
    }
    if (how.reversed) std::ranges::reverse(parts);
    const std::size_t skip = how.keep > 0 && parts.size() > how.keep ? parts.size() - how.keep : 0;
    std::string out;
    for (std::size_t i = skip; i < parts.size(); ++i) {
        if (i > skip) out += '.';
        out += parts[i];
    }
    return out;
}

// RFC 3986 §2.3: everything but unreserved characters.
std::string url_escape(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (base::is_alnum(c) || std::string_view("-._~").find(c) != std::string_view::npos)
            out += c;
        else
            out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    return out;
}

bool is_toplabel(std::string_view label) {
    if (label.empty() || !base::is_alnum(label.front()) || !base::is_alnum(label.back())) return false;
    const bool letters = std::ranges::all_of(label, [](char c) { return base::is_alnum(c) || c == '-'; });
    const bool numeric = std::ranges::all_of(label, base::is_digit);
    return letters && !numeric;
}

}  // namespace

bool is_valid_macro_text(std::string_view text, MacroPlace place) {
    std::string_view literal_tail;
    bool ends_with_macro = false;
    for (std::size_t i = 0; i < text.size();) {
        const char c = text[i];
        if (c == '%') {
            const std::string_view two = text.substr(i, 2);
            if (two == "%%" || two == "%_" || two == "%-") {
                i += 2;
            } else {
                const auto expand = parse_expand(text.substr(i), place);
                if (expand.length == 0) return false;
                i += expand.length;
            }
            ends_with_macro = true;
            literal_tail = text.substr(i);
            continue;
        }
        const bool space = c == ' ' && place == MacroPlace::Explanation;
        if (!space && (c < 0x21 || c > 0x7e)) return false;
        if (ends_with_macro) literal_tail = text.substr(i);
        ends_with_macro = false;
        ++i;
    }
    if (place == MacroPlace::Explanation || ends_with_macro) return true;
    // domain-end = "." toplabel [ "." ], the last label being literal
    if (literal_tail.empty()) literal_tail = text;
    if (literal_tail.ends_with('.')) literal_tail.remove_suffix(1);
    const auto dot = literal_tail.rfind('.');
    return dot != std::string_view::npos && is_toplabel(literal_tail.substr(dot + 1));
}

bool uses_validated_name(std::string_view text) {
    for (std::size_t at = text.find("%{"); at != std::string_view::npos; at = text.find("%{", at + 2))
        if (at + 2 < text.size() && base::to_lower(text[at + 2]) == 'p') return true;
    return false;
}

std::string expand_macros(std::string_view text, const MacroValues& values, MacroPlace place) {
    std::string out;
    for (std::size_t i = 0; i < text.size();) {
        if (text[i] != '%') {
            out += text[i++];
            continue;
        }
        const std::string_view two = text.substr(i, 2);
        if (two == "%%")
            out += '%';
        else if (two == "%_")
            out += ' ';
        else if (two == "%-")
            out += "%20";
        else {
            const auto expand = parse_expand(text.substr(i), place);
            if (expand.length == 0) return out;  // not valid: the caller checked
            const auto value = transform(value_of(expand.letter, values), expand);
            out += base::is_upper(expand.letter) ? url_escape(value) : value;
            i += expand.length;
            continue;
        }
        i += 2;
    }
    return out;
}

std::string expand_domain(std::string_view domain_spec, const MacroValues& values) {
    constexpr std::size_t name_max = 253;
    std::string name = expand_macros(domain_spec, values, MacroPlace::DomainSpec);
    if (name.ends_with('.')) name.pop_back();
    while (name.size() > name_max) {
        const auto dot = name.find('.');
        if (dot == std::string::npos) return {};
        name.erase(0, dot + 1);
    }
    return name;
}

}  // namespace spf
