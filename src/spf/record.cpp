#include "spf/record.hpp"

#include "base/result.hpp"
#include "base/text.hpp"
#include "spf/macro.hpp"

#include <algorithm>

namespace spf {
namespace {

constexpr std::string_view version = "v=spf1";

bool is_name(std::string_view text) {
    return !text.empty() && base::is_alpha(text.front()) && std::ranges::all_of(text, [](char c) {
        return base::is_alnum(c) || c == '-' || c == '_' || c == '.';
    });
}

// "0" or a number without leading zeros, at most `max` (ip4-cidr-length, ip6-cidr-length).
std::optional<unsigned> parse_prefix(std::string_view digits, unsigned max) {
    if (digits.size() > 1 && digits.front() == '0') return std::nullopt;
    const auto value = base::parse_number(digits, max);
    return value ? std::optional(static_cast<unsigned>(*value)) : std::nullopt;
}

// Where the dual-cidr-length begins: the first '/' that is not inside a macro.
std::size_t find_cidr(std::string_view text) {
    bool in_macro = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text.substr(i, 2) == "%{") in_macro = true;
        if (text[i] == '}') in_macro = false;
        if (text[i] == '/' && !in_macro &&
            text.substr(i).find_first_not_of("/0123456789") == std::string_view::npos)
            return i;
    }
    return std::string_view::npos;
}

bool parse_dual_cidr(std::string_view text, Mechanism& out) {
    const auto six = text.find("//");
    const std::string_view four = text.substr(0, six);
    if (!four.empty()) {
        const auto prefix = parse_prefix(four.substr(1), 32);
        if (!prefix) return false;
        out.prefix4 = *prefix;
    }
    if (six != std::string_view::npos) {
        const auto prefix = parse_prefix(text.substr(six + 2), 128);
        if (!prefix) return false;
        out.prefix6 = *prefix;
    }
    return true;
}

bool parse_network(std::string_view argument, Mechanism& out) {
    const auto slash = argument.find('/');
    const auto address = env::IpAddress::parse(argument.substr(0, slash));
    const bool v6 = out.kind == Mechanism::Kind::Ip6;
    if (!address) return false;
    const bool has_colon = argument.substr(0, slash).find(':') != std::string_view::npos;
    if (has_colon != v6) return false;
    out.network = *address;
    if (slash == std::string_view::npos) return true;
    const auto prefix = parse_prefix(argument.substr(slash + 1), v6 ? 128 : 32);
    if (!prefix) return false;
    (v6 ? out.prefix6 : out.prefix4) = *prefix;
    return true;
}

std::expected<Mechanism, std::string> parse_mechanism(std::string_view term) {
    Mechanism out;
    out.text = term;
    if (!term.empty() && std::string_view("+-~?").find(term.front()) != std::string_view::npos) {
        out.qualifier = static_cast<Qualifier>(term.front());
        term.remove_prefix(1);
    }
    const auto name_end = std::min(term.find_first_of(":/"), term.size());
    const std::string_view name = term.substr(0, name_end);
    std::string_view rest = term.substr(name_end);
    using Kind = Mechanism::Kind;
    constexpr std::pair<std::string_view, Kind> kinds[] = {
        {"all", Kind::All}, {"include", Kind::Include}, {"a", Kind::A},     {"mx", Kind::Mx},
        {"ptr", Kind::Ptr}, {"ip4", Kind::Ip4},         {"ip6", Kind::Ip6}, {"exists", Kind::Exists}};
    const auto* kind =
        std::ranges::find_if(kinds, [&](const auto& k) { return base::iequals(k.first, name); });
    if (kind == std::end(kinds)) return std::unexpected("unknown mechanism");
    out.kind = kind->second;
    if (out.kind == Kind::All)
        return rest.empty() ? std::expected<Mechanism, std::string>(out)
                            : std::unexpected("all takes no argument");
    if (out.kind == Kind::Ip4 || out.kind == Kind::Ip6) {
        if (!rest.starts_with(':') || !parse_network(rest.substr(1), out))
            return std::unexpected("not an address or network");
        return out;
    }
    if (out.kind == Kind::A || out.kind == Kind::Mx) {
        const auto cidr = find_cidr(rest);
        if (cidr != std::string_view::npos) {
            if (!parse_dual_cidr(rest.substr(cidr), out)) return std::unexpected("bad prefix length");
            rest = rest.substr(0, cidr);
        }
    }
    const bool optional = out.kind == Kind::A || out.kind == Kind::Mx || out.kind == Kind::Ptr;
    if (rest.empty())
        return optional ? std::expected<Mechanism, std::string>(out) : std::unexpected("needs a domain");
    if (!rest.starts_with(':') || !is_valid_macro_text(rest.substr(1), MacroPlace::DomainSpec))
        return std::unexpected("bad domain");
    out.domain_spec = rest.substr(1);
    return out;
}

}  // namespace

bool is_spf1(std::string_view text) {
    return base::istarts_with(text, version) &&
           (text.size() == version.size() || text[version.size()] == ' ');
}

std::expected<Record, RecordError> parse_record(std::string_view text) {
    Record record;
    for (const std::string_view term :
         base::split_any(text.substr(std::min(version.size(), text.size())), " ")) {
        // A modifier is name "=" …; a mechanism's name is followed by ':' or '/' first.
        const auto equals = term.find('=');
        if (equals == std::string_view::npos || term.find_first_of(":/%") < equals) {
            auto mechanism = parse_mechanism(term);
            if (!mechanism) return std::unexpected(RecordError{std::string(term), mechanism.error()});
            record.mechanisms.push_back(std::move(*mechanism));
            continue;
        }
        const std::string_view name = term.substr(0, equals);
        const std::string_view value = term.substr(equals + 1);
        const bool known = base::iequals(name, "redirect") || base::iequals(name, "exp");
        if (!is_name(name)) return std::unexpected(RecordError{std::string(term), "bad modifier name"});
        if (!known) {  // unknown-modifier = name "=" macro-string
            if (!is_valid_macro_text(std::string(value) + "%%", MacroPlace::Explanation))
                return std::unexpected(RecordError{std::string(term), "bad macro"});
            continue;
        }
        auto& slot = base::iequals(name, "redirect") ? record.redirect : record.exp;
        if (slot) return std::unexpected(RecordError{std::string(term), "given twice"});
        if (!is_valid_macro_text(value, MacroPlace::DomainSpec))
            return std::unexpected(RecordError{std::string(term), "bad domain"});
        slot = std::string(value);
    }
    return record;
}

}  // namespace spf
