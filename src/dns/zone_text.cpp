#include "dns/zone_text.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <fmt/format.h>
#include <utility>

namespace dns {
namespace {

constexpr std::pair<std::string_view, Type> types[] = {
    {"A", Type::A},   {"NS", Type::Ns},   {"CNAME", Type::Cname}, {"SOA", Type::Soa}, {"PTR", Type::Ptr},
    {"MX", Type::Mx}, {"TXT", Type::Txt}, {"AAAA", Type::Aaaa},   {"SRV", Type::Srv}, {"TLSA", Type::Tlsa}};

// Words, and "quoted strings" with \" and \DDD, up to a comment.
std::optional<std::vector<std::string>> split_words(std::string_view line) {
    std::vector<std::string> out;
    std::size_t at = 0;
    while (at < line.size()) {
        if (base::is_space(line[at])) {
            ++at;
            continue;
        }
        if (line[at] == ';') break;
        const bool quoted = line[at] == '"';
        if (quoted) ++at;
        std::string word;
        for (;; ++at) {
            if (at >= line.size()) {
                if (quoted) return std::nullopt;
                break;
            }
            if (quoted ? line[at] == '"' : base::is_space(line[at]) || line[at] == ';') break;
            if (line[at] == '\\' && at + 1 < line.size()) {
                const auto code =
                    at + 3 < line.size() ? base::parse_number(line.substr(at + 1, 3), 255) : std::nullopt;
                word += code ? static_cast<char>(*code) : line[at + 1];
                at += code ? 3 : 1;
            } else {
                word += line[at];
            }
        }
        if (quoted) ++at;
        out.push_back(std::move(word));
    }
    return out;
}

template <std::size_t N>
bool take_numbers(const std::vector<std::string>& words, std::array<std::uint16_t, N>& out) {
    if (words.size() < N) return false;
    for (std::size_t i = 0; i < N; ++i) {
        const auto number = base::parse_number(words[i], UINT16_MAX);
        if (!number) return false;
        out[i] = static_cast<std::uint16_t>(*number);
    }
    return true;
}

/// An address in its text form; `Bytes` is as long as the family's addresses are.
template <class Bytes>
std::optional<Bytes> parse_address(int family, const std::string& text) {
    Bytes out{};
    const bool whole = text.find('\0') == std::string::npos;  // inet_pton() stops there
    if (!whole || inet_pton(family, text.c_str(), out.data()) != 1) return std::nullopt;
    return out;
}

std::optional<Record> parse_rdata(Type type, const std::vector<std::string>& words) {
    if (words.empty()) return std::nullopt;
    const auto name = Name::parse(words.back());
    switch (type) {
        case Type::A: {
            const auto address = parse_address<std::array<std::uint8_t, 4>>(AF_INET, words[0]);
            return address ? std::optional<Record>(A{*address}) : std::nullopt;
        }
        case Type::Aaaa: {
            const auto address = parse_address<std::array<std::uint8_t, 16>>(AF_INET6, words[0]);
            return address ? std::optional<Record>(Aaaa{*address}) : std::nullopt;
        }
        case Type::Mx: {
            std::array<std::uint16_t, 1> number{};
            if (words.size() != 2 || !take_numbers(words, number) || !name) return std::nullopt;
            return Mx{number[0], *name};
        }
        case Type::Txt:
            if (std::ranges::any_of(words, [](const auto& word) { return word.size() > 255; }))
                return std::nullopt;
            return Txt{words};
        case Type::Ptr:
            return name ? std::optional<Record>(Ptr{*name}) : std::nullopt;
        case Type::Cname:
            return name ? std::optional<Record>(Cname{*name}) : std::nullopt;
        case Type::Ns:
            return name ? std::optional<Record>(Ns{*name}) : std::nullopt;
        case Type::Srv: {
            std::array<std::uint16_t, 3> numbers{};
            if (words.size() != 4 || !take_numbers(words, numbers) || !name) return std::nullopt;
            return Srv{numbers[0], numbers[1], numbers[2], *name};
        }
        case Type::Tlsa: {
            std::array<std::uint16_t, 3> numbers{};
            if (words.size() < 4 || !take_numbers(words, numbers)) return std::nullopt;
            std::string hex;
            for (std::size_t i = 3; i < words.size(); ++i) hex += words[i];
            const auto data = base::from_hex(hex);
            if (!data || std::ranges::any_of(numbers, [](auto n) { return n > 255; })) return std::nullopt;
            return Tlsa{static_cast<std::uint8_t>(numbers[0]), static_cast<std::uint8_t>(numbers[1]),
                        static_cast<std::uint8_t>(numbers[2]), *data};
        }
        case Type::Soa:
            return std::nullopt;
    }
    return std::nullopt;
}

}  // namespace

std::optional<Type> parse_type(std::string_view text) {
    const auto* found =
        std::ranges::find_if(types, [&](const auto& t) { return base::iequals(t.first, text); });
    return found == std::end(types) ? std::nullopt : std::optional(found->second);
}

std::string_view to_text(Type type) {
    const auto* found = std::ranges::find_if(types, [&](const auto& t) { return t.second == type; });
    return found == std::end(types) ? "TYPE?" : found->first;
}

Type type_of(const Record& record) {
    constexpr Type order[] = {Type::A,     Type::Aaaa, Type::Mx,  Type::Txt, Type::Ptr,
                              Type::Cname, Type::Ns,   Type::Soa, Type::Srv, Type::Tlsa};
    static_assert(std::size(order) == std::variant_size_v<Record>);
    return order[record.index()];
}

std::optional<ZoneRecord> parse_zone_line(std::string_view line) {
    auto words = split_words(line);
    if (!words || words->size() < 3) return std::nullopt;
    const auto owner = Name::parse(words->front());
    if (!owner) return std::nullopt;
    std::size_t at = 1;
    while (at + 1 < words->size() &&
           (base::parse_number((*words)[at], UINT32_MAX) || base::iequals((*words)[at], "IN")))
        ++at;
    const auto type = parse_type((*words)[at]);
    if (!type) return std::nullopt;
    words->erase(words->begin(), words->begin() + static_cast<std::ptrdiff_t>(at) + 1);
    auto record = parse_rdata(*type, *words);
    if (!record) return std::nullopt;
    return ZoneRecord{*owner, std::move(*record)};
}

std::string text_strings(std::string_view text) {
    constexpr std::size_t string_octets_max = 255;
    std::string out;
    std::size_t at = 0;
    do {
        out += at > 0 ? " \"" : "\"";
        for (const char c : text.substr(at, string_octets_max)) {
            if (c == '"' || c == '\\')
                out += {'\\', c};
            else if (base::is_print(c))
                out += c;
            else
                out += fmt::format("\\{:03}", static_cast<unsigned char>(c));
        }
        out += '"';
        at += string_octets_max;
    } while (at < text.size());
    return out;
}

}  // namespace dns
