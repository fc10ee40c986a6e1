#include "mail/mime_value.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <map>
#include <optional>

namespace mail {
namespace {

constexpr std::size_t value_octets_max = 64UL << 10;
constexpr std::uint64_t continuations_max = 999;

int base64_digit(char c) {
    if (base::is_upper(c)) return c - 'A';
    if (base::is_lower(c)) return c - 'a' + 26;
    if (base::is_digit(c)) return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

std::string latin1_to_utf8(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const auto octet = static_cast<unsigned char>(c);
        if (octet < 0x80) {
            out += c;
        } else {
            out += static_cast<char>(0xc0 | octet >> 6);
            out += static_cast<char>(0x80 | (octet & 0x3f));
        }
    }
    return out;
}

std::optional<std::string> to_utf8(std::string_view charset, std::string octets) {
    if (base::is_ascii(octets)) return octets;
    if (base::iequals(charset, "utf-8") || base::iequals(charset, "utf8"))
        return base::is_utf8(octets) ? std::optional(std::move(octets)) : std::nullopt;
    if (base::iequals(charset, "iso-8859-1") || base::iequals(charset, "latin1"))
        return latin1_to_utf8(octets);
    return std::nullopt;
}

std::string percent_decoded(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto octet = text[i] == '%' ? base::from_hex(text.substr(i + 1, 2)) : std::nullopt;
        if (octet && octet->size() == 1) {
            out += *octet;
            i += 2;
        } else {
            out += text[i];
        }
    }
    return out;
}

/// Comments out, folding out; quoted strings stay as they are.
std::string without_comments(std::string_view text) {
    std::string out;
    bool quoted = false;
    int depth = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '\r' || c == '\n') continue;
        if (c == '\\' && i + 1 < text.size() && (quoted || depth > 0)) {
            if (depth == 0) out += {c, text[i + 1]};
            ++i;
        } else if (depth == 0 && c == '"') {
            quoted = !quoted;
            out += c;
        } else if (!quoted && c == '(') {
            ++depth;
        } else if (!quoted && depth > 0 && c == ')') {
            --depth;
        } else if (depth == 0) {
            out += c;
        }
    }
    return out;
}

/// "name", "name*", "name*1", "name*1*" (RFC 2231 §3, §4.1).
struct ParameterName {
    std::string base;
    std::optional<std::uint64_t> section;
    bool encoded = false;
};
ParameterName parse_name(std::string_view text) {
    ParameterName out;
    if (text.ends_with('*')) {
        out.encoded = true;
        text.remove_suffix(1);
    }
    const auto star = text.find('*');
    if (star != std::string_view::npos)
        out.section = base::parse_number(text.substr(star + 1), continuations_max);
    out.base = base::lower(out.section ? text.substr(0, star) : text);
    return out;
}

struct RawParameter {
    ParameterName name;
    std::string value;
};

std::vector<RawParameter> split_parameters(std::string_view value, std::size_t at,
                                           std::size_t parameters_max) {
    std::vector<RawParameter> out;
    while (at < value.size() && out.size() < parameters_max) {
        ++at;  // the semicolon
        const auto equals = value.find_first_of("=;", at);
        if (equals == std::string_view::npos) break;
        if (value[equals] == ';') {
            at = equals;
            continue;
        }
        const std::string_view name = base::trim(value.substr(at, equals - at));
        at = equals + 1;
        while (at < value.size() && base::is_space(value[at])) ++at;
        std::string text;
        if (at < value.size() && value[at] == '"') {
            for (++at; at < value.size() && value[at] != '"'; ++at) {
                if (value[at] == '\\' && at + 1 < value.size()) ++at;
                text += value[at];
            }
            at = std::min(value.find(';', at), value.size());
        } else {
            const auto end = std::min(value.find(';', at), value.size());
            text = base::trim(value.substr(at, end - at));
            at = end;
        }
        if (!name.empty()) out.push_back({parse_name(name), std::move(text)});
    }
    return out;
}

/// The sections of one parameter, in their order, decoded.
std::string join_sections(std::map<std::uint64_t, const RawParameter*>& sections) {
    std::string charset, octets;
    bool encoded = false;
    std::uint64_t expected = 0;
    for (const auto& [number, part] : sections) {
        if (number != expected++) break;  // a gap ends it
        std::string_view text = part->value;
        if (part->name.encoded && number == 0) {
            const auto first = text.find('\'');
            const auto second = first == std::string_view::npos ? first : text.find('\'', first + 1);
            if (second != std::string_view::npos) {
                charset = text.substr(0, first);
                text.remove_prefix(second + 1);
                encoded = true;
            }
        }
        octets += part->name.encoded ? percent_decoded(text) : std::string(text);
    }
    if (!encoded) return octets;
    return to_utf8(charset, octets).value_or(octets);
}

/// One encoded word at the start of `text`; nullopt: it is none. `length`: of the word.
std::optional<std::string> read_encoded_word(std::string_view text, std::size_t& length) {
    constexpr std::size_t word_octets_max = 1000;  // 75 by §2; some write more
    if (!text.starts_with("=?")) return std::nullopt;
    text = text.substr(0, word_octets_max);
    const auto charset_end = text.find('?', 2);
    if (charset_end == std::string_view::npos || charset_end + 2 >= text.size() ||
        text[charset_end + 2] != '?')
        return std::nullopt;
    const auto end = text.find('?', charset_end + 3);  // encoded-text holds none
    if (end == std::string_view::npos || end == charset_end + 3 || text.substr(end, 2) != "?=")
        return std::nullopt;
    std::string_view charset = text.substr(2, charset_end - 2);
    charset = charset.substr(0, charset.find('*'));  // RFC 2231 §5: a language may follow
    const std::string_view encoded = text.substr(charset_end + 3, end - charset_end - 3);
    const char how = base::to_lower(text[charset_end + 1]);
    std::string octets;
    if (how == 'b') {
        octets = decode_base64_lenient(encoded);
    } else if (how == 'q') {
        std::string spaced(encoded);
        std::ranges::replace(spaced, '_', ' ');
        octets = decode_quoted_printable(spaced);
    } else {
        return std::nullopt;
    }
    length = end + 2;
    return to_utf8(charset, std::move(octets));
}

}  // namespace

std::string ParameterizedValue::get(std::string_view name) const {
    for (const auto& [key, value] : parameters)
        if (key == name) return value;
    return {};
}

ParameterizedValue parse_parameterized(std::string_view value, std::size_t parameters_max) {
    const std::string text = without_comments(value.substr(0, value_octets_max));
    ParameterizedValue out;
    const auto first_end = std::min(text.find(';'), text.size());
    const auto first = base::trim(std::string_view(text).substr(0, first_end));
    for (std::size_t i = 0; i < first.size(); ++i) {
        if (!base::is_space(first[i])) {
            out.first += base::to_lower(first[i]);
            continue;
        }
        // White space may stand at the slash ("image/ jpeg"); elsewhere the semicolon was forgotten.
        const auto next = first.find_first_not_of(" \t", i);
        if (!out.first.ends_with('/') && first[next] != '/') break;
    }
    const auto raw = split_parameters(text, first_end, parameters_max);
    std::vector<std::string> done;
    for (const auto& one : raw) {
        if (std::ranges::find(done, one.name.base) != done.end()) continue;
        done.push_back(one.name.base);
        std::map<std::uint64_t, const RawParameter*> sections;
        for (const auto& other : raw) {
            if (other.name.base != one.name.base) continue;
            // "name*=" is the whole; a plain "name=" beside it is for old readers.
            if (!other.name.section && other.name.encoded)
                sections[0] = &other;
            else if (other.name.section || !sections.contains(0))
                sections.try_emplace(other.name.section.value_or(0), &other);
        }
        const bool plain = sections.size() == 1 && !sections.begin()->second->name.encoded;
        std::string joined = join_sections(sections);
        out.parameters.emplace_back(one.name.base, plain ? decode_encoded_words(joined) : std::move(joined));
    }
    return out;
}

std::string decode_encoded_words(std::string_view text) {
    std::string out;
    std::size_t at = 0;
    bool after_word = false;
    while (at < text.size()) {
        std::size_t length = 0;
        const auto word = read_encoded_word(text.substr(at), length);
        if (word) {
            out += *word;
            at += length;
            after_word = true;
            continue;
        }
        if (after_word && base::is_space(text[at])) {
            const auto next = text.find_first_not_of(" \t\r\n", at);
            if (next != std::string_view::npos && read_encoded_word(text.substr(next), length)) {
                at = next;
                continue;
            }
        }
        after_word = false;
        out += text[at++];
    }
    return out;
}

std::string decode_base64_lenient(std::string_view text) {
    std::string out;
    out.reserve(text.size() / 4 * 3);
    unsigned bits = 0, count = 0;
    for (const char c : text) {
        if (c == '=') break;
        const int digit = base64_digit(c);
        if (digit < 0) continue;
        bits = (bits << 6 | static_cast<unsigned>(digit)) & 0xffffff;
        count += 6;
        if (count < 8) continue;
        count -= 8;
        out += static_cast<char>(bits >> count & 0xff);
    }
    return out;
}

std::string decode_quoted_printable(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '=') {
            out += text[i];
            continue;
        }
        if (const auto octet = base::from_hex(text.substr(i + 1, 2)); octet && octet->size() == 1) {
            out += *octet;
            i += 2;
            continue;
        }
        // A soft line break, perhaps with white space before its end.
        const auto rest = text.find_first_not_of(" \t\r", i + 1);
        if (rest == std::string_view::npos) break;
        if (text[rest] == '\n')
            i = rest;
        else
            out += '=';
    }
    return out;
}

}  // namespace mail
