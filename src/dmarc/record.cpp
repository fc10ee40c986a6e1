#include "dmarc/record.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <set>

namespace dmarc {
namespace {

std::optional<Policy> parse_policy(std::string_view value) {
    if (base::iequals(value, "none")) return Policy::None;
    if (base::iequals(value, "quarantine")) return Policy::Quarantine;
    if (base::iequals(value, "reject")) return Policy::Reject;
    return std::nullopt;
}

std::string percent_decoded(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%')
            if (const auto octet = base::from_hex(text.substr(i + 1, 2)); octet && octet->size() == 1) {
                out += *octet;
                i += 2;
                continue;
            }
        out += text[i];
    }
    return out;
}

// "10m", also with a space between.
std::uint64_t parse_size(std::string_view text) {
    text = base::trim(text);
    const auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
    const auto number = base::parse_number(text.substr(0, digits), 1'000'000'000);
    if (!number) return 0;
    const auto unit = base::lower(base::trim(text.substr(digits)));
    const unsigned shift = unit == "k" ? 10 : unit == "m" ? 20 : unit == "g" ? 30 : unit == "t" ? 40 : 0;
    return *number << shift;
}

std::vector<ReportUri> parse_uris(std::string_view value) {
    constexpr std::size_t uris_max = 20;
    constexpr std::string_view scheme = "mailto:";
    std::vector<ReportUri> out;
    for (const auto part : base::split(value, ',')) {
        std::string_view uri = base::trim(part);
        if (!base::istarts_with(uri, scheme) || out.size() >= uris_max) continue;
        uri.remove_prefix(scheme.size());
        const auto mark = uri.find('!');
        ReportUri one;
        one.address = percent_decoded(base::trim(uri.substr(0, mark)));
        one.address = one.address.substr(0, one.address.find('?'));
        if (mark != std::string_view::npos) one.size_max = parse_size(uri.substr(mark + 1));
        const auto at = one.address.rfind('@');
        const bool plain = at != std::string::npos && at > 0 && at + 1 < one.address.size() &&
                           one.address.find_first_of(" \t\r\n<>\"") == std::string::npos &&
                           one.address.find('\0') == std::string::npos;
        if (plain) out.push_back(std::move(one));
    }
    return out;
}

/// scheme ":" and something behind it (RFC 3986 §3.1), whatever we can do with it.
bool is_uri(std::string_view text) {
    text = base::trim(text);
    const auto colon = text.find(':');
    return colon != std::string_view::npos && colon > 0 && colon + 1 < text.size() &&
           base::is_alpha(text.front()) && std::ranges::all_of(text.substr(0, colon), [](char c) {
               return base::is_alnum(c) || c == '+' || c == '-' || c == '.';
           });
}

void take_tag(Record& record, std::string_view name, std::string_view value) {
    const auto policy = [&](std::optional<Policy>& field) {
        field = parse_policy(value);
        if (!field) record.invalid_policy = true;
    };
    if (base::iequals(name, "p"))
        policy(record.p);
    else if (base::iequals(name, "sp"))
        policy(record.sp);
    else if (base::iequals(name, "np"))
        policy(record.np);
    else if (base::iequals(name, "adkim"))
        record.adkim = base::iequals(value, "s") ? Alignment::Strict : Alignment::Relaxed;
    else if (base::iequals(name, "aspf"))
        record.aspf = base::iequals(value, "s") ? Alignment::Strict : Alignment::Relaxed;
    else if (base::iequals(name, "psd"))
        record.psd = base::iequals(value, "y")   ? Psd::Yes
                     : base::iequals(value, "n") ? Psd::No
                                                 : Psd::Unknown;
    else if (base::iequals(name, "t"))
        record.testing = base::iequals(value, "y");
    else if (base::iequals(name, "pct"))
        record.percent = static_cast<unsigned>(base::parse_number(value, 100).value_or(100));
    else if (base::iequals(name, "fo"))
        record.failure_options = base::lower(value);
    else if (base::iequals(name, "rua")) {
        record.rua = parse_uris(value);
        record.names_report_uri = std::ranges::any_of(base::split(value, ','), is_uri);
    } else if (base::iequals(name, "ruf"))
        record.ruf = parse_uris(value);
}

}  // namespace

std::string_view to_text(Policy policy) {
    switch (policy) {
        case Policy::None:
            return "none";
        case Policy::Quarantine:
            return "quarantine";
        case Policy::Reject:
            return "reject";
    }
    return "none";
}

std::optional<Record> parse_record(std::string_view text) {
    constexpr std::size_t octets_max = 16 * 1024;
    if (text.size() > octets_max) return std::nullopt;
    Record out;
    bool first = true;
    std::set<std::string, base::ILess> seen;  // a tag given again is a syntax error, and ignored
    for (const auto part : base::split(text, ';')) {
        const auto equals = part.find('=');
        const auto name = base::trim(part.substr(0, equals));
        const auto value =
            equals == std::string_view::npos ? std::string_view{} : base::trim(part.substr(equals + 1));
        if (first) {
            if (!base::iequals(name, "v") || value != "DMARC1") return std::nullopt;
            first = false;
            continue;
        }
        if (equals != std::string_view::npos && seen.emplace(name).second) take_tag(out, name, value);
    }
    return first ? std::nullopt : std::optional(out);
}

}  // namespace dmarc
