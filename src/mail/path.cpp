#include "mail/path.hpp"

#include "base/result.hpp"
#include "base/text.hpp"

#include <algorithm>

namespace mail {
namespace {

constexpr std::size_t local_part_max = 64;  // RFC 5321 §4.5.3.1.1
constexpr std::size_t domain_max = 255;     // §4.5.3.1.2
constexpr std::size_t path_max =
    256 + 64;  // §4.5.3.1.3 says 256 with the brackets; UTF-8 and routes need some room
constexpr std::size_t label_max = 63;

bool is_utf8_octet(char c) { return static_cast<unsigned char>(c) >= 0x80; }

bool is_atext(char c) {
    return base::is_alnum(c) || std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos;
}

bool is_dot_string(std::string_view text) {
    return !text.empty() && text.front() != '.' && text.back() != '.' &&
           text.find("..") == std::string_view::npos &&
           std::ranges::all_of(text, [](char c) { return is_atext(c) || c == '.' || is_utf8_octet(c); });
}

bool is_dotted_quad(std::string_view text) {
    const auto parts = base::split(text, '.');
    return parts.size() == 4 && std::ranges::all_of(parts, [](auto part) {
               return part.size() <= 3 && base::parse_number(part, 255).has_value();
           });
}

// IPv6-addr (§4.1.3): groups of 1 to 4 hexadecimal digits, one "::", perhaps a dotted quad at the end.
bool is_ipv6(std::string_view text) {
    const auto compressed = text.find("::");
    if (compressed != std::string_view::npos && text.find("::", compressed + 1) != std::string_view::npos)
        return false;
    std::size_t groups = 0;
    const auto count = [&](std::string_view half) {
        if (half.empty()) return true;
        const auto parts = base::split(half, ':');
        for (std::size_t i = 0; i < parts.size(); ++i) {
            if (i + 1 == parts.size() && parts[i].find('.') != std::string_view::npos) {
                if (!is_dotted_quad(parts[i])) return false;
                groups += 2;
                continue;
            }
            const bool hex = !parts[i].empty() && parts[i].size() <= 4 &&
                             parts[i].find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
            if (!hex) return false;
            ++groups;
        }
        return true;
    };
    if (compressed == std::string_view::npos) return count(text) && groups == 8;
    return count(text.substr(0, compressed)) && count(text.substr(compressed + 2)) && groups <= 7;
}

bool is_literal(std::string_view text) {
    if (!text.starts_with('[') || !text.ends_with(']') || text.size() < 3) return false;
    const std::string_view inner = text.substr(1, text.size() - 2);
    if (is_dotted_quad(inner)) return true;
    if (base::istarts_with(inner, "IPv6:")) return is_ipv6(inner.substr(5));
    const auto colon =
        inner.find(':');  // General-address-literal: a registered tag; none exist, but the grammar does
    if (colon == std::string_view::npos || colon == 0 || colon + 1 == inner.size()) return false;
    const std::string_view tag = inner.substr(0, colon);
    return std::ranges::all_of(tag, [](char c) { return base::is_alnum(c) || c == '-'; }) &&
           tag.back() != '-' && std::ranges::all_of(inner.substr(colon + 1), [](char c) {
               return c >= 33 && c <= 126 && c != '[' && c != '\\' && c != ']';
           });
}

bool is_domain(std::string_view text) {
    for (const auto label : base::split(text, '.')) {
        if (label.empty() || label.size() > label_max || label.front() == '-' || label.back() == '-')
            return false;
        if (!std::ranges::all_of(
                label, [](char c) { return base::is_alnum(c) || c == '-' || c == '_' || is_utf8_octet(c); }))
            return false;
    }
    return true;
}

// Quoted-string at the start of `text`; the value goes to `out`. npos when there is none.
std::size_t read_quoted(std::string_view text, std::string& out) {
    for (std::size_t i = 1; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '"') return i + 1;
        if (c == '\\') {
            if (++i >= text.size() || !base::is_print(text[i])) return std::string_view::npos;
            out += text[i];
        } else if (base::is_print(c) || is_utf8_octet(c)) {
            out += c;
        } else {
            return std::string_view::npos;
        }
    }
    return std::string_view::npos;
}

// "@a,@b:" in front of the mailbox (§4.1.2 A-d-l); what follows it.
std::expected<std::string_view, PathError> skip_route(std::string_view text) {
    if (!text.starts_with('@')) return text;
    const auto colon = text.find(':');
    if (colon == std::string_view::npos) return std::unexpected(PathError::BadSyntax);
    for (const auto hop : base::split(text.substr(0, colon), ','))
        if (hop.size() < 2 || hop.front() != '@' || !(is_domain(hop.substr(1)) || is_literal(hop.substr(1))))
            return std::unexpected(PathError::BadSyntax);
    return text.substr(colon + 1);
}

std::expected<std::string_view, PathError> inside_brackets(std::string_view text, PathOptions options) {
    if (text.size() > path_max) return std::unexpected(PathError::PathTooLong);
    if (text.starts_with('<') && text.ends_with('>') && text.size() >= 2)
        return text.substr(1, text.size() - 2);
    if (options.form == PathOptions::Form::Tolerant && text.find_first_of("<>") == std::string_view::npos)
        return text;
    return std::unexpected(PathError::BadSyntax);
}

}  // namespace

std::string_view to_text(PathError error) {
    switch (error) {
        case PathError::BadSyntax:
            return "bad address syntax";
        case PathError::LocalPartTooLong:
            return "the part before the @ is longer than 64 octets";
        case PathError::DomainTooLong:
            return "the domain is longer than 255 octets";
        case PathError::PathTooLong:
            return "the address is too long";
        case PathError::NonAscii:
            return "the address is international and SMTPUTF8 was not asked for";
    }
    return "";
}

std::expected<Address, PathError> parse_mailbox(std::string_view text, PathOptions options) {
    if (text.size() > path_max) return std::unexpected(PathError::PathTooLong);
    if (!base::is_ascii(text)) {
        if (options.utf8 == PathOptions::Utf8::Refuse) return std::unexpected(PathError::NonAscii);
        if (!base::is_utf8(text)) return std::unexpected(PathError::BadSyntax);
    }
    Address out;
    std::size_t at = 0;
    if (text.starts_with('"')) {
        at = read_quoted(text, out.local_part);
        if (at == std::string_view::npos) return std::unexpected(PathError::BadSyntax);
    } else {
        at = std::min(text.find('@'), text.size());
        out.local_part = text.substr(0, at);
        if (!is_dot_string(out.local_part)) return std::unexpected(PathError::BadSyntax);
    }
    if (out.local_part.size() > local_part_max) return std::unexpected(PathError::LocalPartTooLong);
    if (at == text.size()) {
        if (options.form == PathOptions::Form::Strict || out.local_part.empty())
            return std::unexpected(PathError::BadSyntax);
        return out;
    }
    if (text[at] != '@') return std::unexpected(PathError::BadSyntax);
    std::string_view domain = text.substr(at + 1);
    if (domain.size() > domain_max) return std::unexpected(PathError::DomainTooLong);
    if (domain.starts_with('[')) {
        if (!is_literal(domain)) return std::unexpected(PathError::BadSyntax);
    } else {
        if (domain.size() > 1 && domain.ends_with('.')) domain.remove_suffix(1);
        if (!is_domain(domain)) return std::unexpected(PathError::BadSyntax);
    }
    out.domain = domain;
    return out;
}

std::expected<ReversePath, PathError> parse_reverse_path(std::string_view text, PathOptions options) {
    if (text == "<>") return ReversePath::null();
    TRY_ASSIGN(std::string_view inner, inside_brackets(text, options));
    TRY_ASSIGN(inner, skip_route(inner));
    TRY_ASSIGN(Address address, parse_mailbox(inner, options));
    return ReversePath{std::move(address)};
}

std::expected<ForwardPath, PathError> parse_forward_path(std::string_view text, PathOptions options) {
    TRY_ASSIGN(std::string_view inner, inside_brackets(text, options));
    if (base::iequals(inner, "postmaster")) return ForwardPath{Address{std::string(inner), ""}, true};
    TRY_ASSIGN(inner, skip_route(inner));
    TRY_ASSIGN(Address address, parse_mailbox(inner, options));
    return ForwardPath{std::move(address), false};
}

std::size_t path_length(std::string_view argument) {
    if (!argument.starts_with('<')) return std::min(argument.find(' '), argument.size());
    bool quoted = false;
    for (std::size_t i = 1; i < argument.size(); ++i) {
        if (quoted && argument[i] == '\\')
            ++i;
        else if (argument[i] == '"')
            quoted = !quoted;
        else if (argument[i] == '>' && !quoted)
            return i + 1;
    }
    return argument.size();
}

}  // namespace mail
