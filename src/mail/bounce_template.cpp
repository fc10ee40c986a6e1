#include "mail/bounce_template.hpp"

#include "base/result.hpp"
#include "base/text.hpp"

#include <fmt/format.h>
#include <vector>

namespace mail {
namespace {

constexpr std::size_t template_octets_max = 64 * 1024;

constexpr struct {
    std::string_view name;
    BounceTemplate BounceTemplates::* member;
} kinds[] = {{"failure_template", &BounceTemplates::failure},
             {"delay_template", &BounceTemplates::delay},
             {"success_template", &BounceTemplates::success},
             {"verify_template", &BounceTemplates::verify}};

BounceTemplate* find_kind(std::string_view name, BounceTemplates& in) {
    for (const auto& kind : kinds)
        if (kind.name == name) return &(in.*kind.member);
    return nullptr;
}

std::unexpected<std::string> wrong(std::size_t line, std::string_view text) {
    return std::unexpected(fmt::format("line {}: {}", line, text));
}

/// Whether it may stand in a header field.
bool is_field_text(std::string_view text) {
    constexpr std::size_t field_octets_max = 900;  // RFC 5322 §2.1.1: 998 with the name
    if (text.size() > field_octets_max || !base::is_ascii(text)) return false;
    for (const char c : text)
        if (!base::is_print(c) && c != '\t') return false;
    return true;
}

/// The header lines of a template; `line` is the number of the first.
std::expected<BounceTemplate, std::string> parse_one(const std::vector<std::string_view>& lines,
                                                     std::size_t line) {
    BounceTemplate out;
    std::size_t at = 0;
    for (; at < lines.size() && !base::trim(lines[at]).empty(); ++at) {
        const auto colon = lines[at].find(':');
        if (colon == std::string_view::npos)
            return wrong(line + at, "a header line (Subject: …) or an empty line is wanted here");
        const auto name = base::trim(lines[at].substr(0, colon));
        const std::string value(base::trim(lines[at].substr(colon + 1)));
        std::string* field = base::iequals(name, "Charset")              ? &out.charset
                             : base::iequals(name, "From")               ? &out.from
                             : base::iequals(name, "Subject")            ? &out.subject
                             : base::iequals(name, "Postmaster-Subject") ? &out.postmaster_subject
                                                                         : nullptr;
        if (!field)
            return wrong(line + at, "only Charset:, From:, Subject: and Postmaster-Subject: may stand here");
        if (value.empty() || !is_field_text(value))
            return wrong(line + at, "a value of plain ASCII is wanted");
        *field = value;
    }
    if (out.from.empty() || out.subject.empty())
        return wrong(line, "the template needs From: and Subject: lines");
    if (at + 1 >= lines.size()) return wrong(line, "the template has no text behind its header lines");
    for (++at; at < lines.size(); ++at) out.text += std::string(lines[at]) + "\n";
    if (out.text.size() > template_octets_max) return wrong(line, "the template is too long");
    const bool plain = base::is_ascii(out.text);
    if (!plain && base::iequals(out.charset, "us-ascii"))
        return wrong(line, "the text is not plain ASCII: name its Charset:");
    if (!plain && base::iequals(out.charset, "utf-8") && !base::is_utf8(out.text))
        return wrong(line, "the text is not UTF-8, as its Charset: says");
    return out;
}

std::expected<void, std::string> fill_in(std::string& text, const NamedValue& value_of) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        const char c = text[at++];
        if (c != '$') {
            out += c;
            continue;
        }
        const char next = at < text.size() ? text[at] : '\0';
        if (next == '$') {
            out += '$';
            ++at;
            continue;
        }
        const char close = next == '{' ? '}' : next == '(' ? ')' : '\0';
        if (close != '\0') ++at;
        std::size_t end = at;
        while (end < text.size() && (base::is_alnum(text[end]) || text[end] == '_')) ++end;
        const std::string_view name = std::string_view(text).substr(at, end - at);
        if (name.empty() || (close != '\0' && (end >= text.size() || text[end] != close)))
            return std::unexpected("a '$' stands alone; write $$ for the sign itself");
        const auto value = value_of(name);
        if (!value) return std::unexpected(fmt::format("${}: there is no such parameter", name));
        out += *value;
        at = end + (close != '\0' ? 1 : 0);
    }
    text = std::move(out);
    return {};
}

}  // namespace

BounceTemplates built_in_bounce_templates() {
    const std::string from = "MAILER-DAEMON (Mail Delivery System)";
    const std::string system = "This is the mail system at host $myhostname.\n\n";
    BounceTemplates out;
    out.failure = {"us-ascii", from, "Undelivered Mail Returned to Sender",
                   "Postmaster Copy: Undelivered Mail",
                   system +
                       "Your message could not be delivered to the recipients below. This report says why;\n"
                       "your message is attached.\n"};
    out.delay = {"us-ascii", from, "Delayed Mail (still being retried)", "Postmaster Warning: Delayed Mail",
                 system +
                     "Your message has not been delivered yet to the recipients below. You need not send\n"
                     "it again: it will be tried further.\n"};
    out.success = {
        "us-ascii", from, "Successful Mail Delivery Report", "",
        system + "Your message was handed over for the recipients below, as you asked to be told.\n"};
    out.verify = {"us-ascii", from, "Mail Delivery Status Report", "",
                  system + "Enclosed is the mail delivery report that you requested.\n"};
    return out;
}

std::expected<void, std::string> parse_bounce_templates(std::string_view text, BounceTemplates& into) {
    BounceTemplates out = into;
    const auto lines = base::split(text, '\n');
    for (std::size_t i = 0; i < lines.size(); ++i) {
        const auto line = base::trim(lines[i]);
        if (line.empty() || line.starts_with('#')) continue;
        const auto equals = line.find('=');
        const auto name = base::trim(line.substr(0, equals));
        const auto value = equals == std::string_view::npos ? "" : base::trim(line.substr(equals + 1));
        auto* kind = find_kind(name, out);
        if (!kind)
            return wrong(i + 1, fmt::format("'{}' is not one of failure_template, delay_template, "
                                            "success_template, verify_template",
                                            base::printable(name, 60)));
        if (!value.starts_with("<<") || base::trim(value.substr(2)).empty())
            return wrong(i + 1, "a template begins with = <<EOF and ends with a line EOF");
        const auto mark = base::trim(value.substr(2));
        const std::size_t first = i + 1;
        std::vector<std::string_view> body;
        for (++i; i < lines.size(); ++i) {
            const auto one = lines[i].ends_with('\r') ? lines[i].substr(0, lines[i].size() - 1) : lines[i];
            if (one == mark) break;
            body.push_back(one);
        }
        if (i == lines.size()) return wrong(first, fmt::format("the template has no end: a line {}", mark));
        TRY_ASSIGN(*kind, parse_one(body, first + 1));
    }
    into = std::move(out);
    return {};
}

std::expected<void, std::string> fill_in_names(BounceTemplates& templates, const NamedValue& value_of) {
    for (const auto& kind : kinds) {
        BounceTemplate& one = templates.*kind.member;
        for (auto* text : {&one.from, &one.subject, &one.postmaster_subject, &one.text}) {
            const auto filled = fill_in(*text, value_of);
            if (!filled) return std::unexpected(fmt::format("{}: {}", kind.name, filled.error()));
            if (text != &one.text && !is_field_text(*text))
                return std::unexpected(
                    fmt::format("{}: a header line with its values is not plain ASCII", kind.name));
        }
    }
    return {};
}

}  // namespace mail
