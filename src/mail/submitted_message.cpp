#include "mail/submitted_message.hpp"

#include "base/text.hpp"
#include "mail/address_list.hpp"

#include <algorithm>

namespace mail {
namespace {

struct Field {
    std::string_view name;   // "" when it is no field
    std::string_view value;  // behind the colon, with folds
    std::string_view text;   // whole, with CRLFs
};

bool is_name_char(char c) { return c > ' ' && c < 0x7f && c != ':'; }

struct Split {
    std::vector<Field> header;
    std::string_view body;  // with the empty line before it
};

Split split_message(std::string_view message) {
    Split out;
    out.body = message;
    while (!out.body.empty()) {
        std::size_t end = 0;
        do {
            const auto newline = out.body.find("\r\n", end);
            end = newline == std::string_view::npos ? out.body.size() : newline + 2;
        } while (end < out.body.size() && (out.body[end] == ' ' || out.body[end] == '\t'));
        const std::string_view text = out.body.substr(0, end);
        std::size_t name = 0;
        while (name < text.size() && is_name_char(text[name])) ++name;
        std::size_t colon = name;
        while (colon < text.size() && (text[colon] == ' ' || text[colon] == '\t')) ++colon;
        if (name == 0 || colon >= text.size() || text[colon] != ':') break;
        out.header.push_back({text.substr(0, name), text.substr(colon + 1), text});
        out.body.remove_prefix(end);
    }
    return out;
}

bool has(const std::vector<Field>& header, std::string_view name) {
    return std::ranges::any_of(header, [&](const Field& f) { return base::iequals(f.name, name); });
}

}  // namespace

std::string to_wire(std::string_view text, EndOfInput end) {
    std::string out;
    out.reserve(text.size() + text.size() / 32);
    while (!text.empty()) {
        const auto newline = text.find('\n');
        std::string_view line = text.substr(0, newline);
        text.remove_prefix(newline == std::string_view::npos ? text.size() : newline + 1);
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (end == EndOfInput::LoneDot && line == ".") break;
        for (const char c : line) out += c == '\r' ? ' ' : c;
        out += "\r\n";
    }
    return out;
}

HeaderRecipients header_recipients(std::string_view message) {
    const Split split = split_message(message);
    const bool resent = std::ranges::any_of(
        split.header, [](const Field& f) { return base::istarts_with(f.name, "Resent-"); });
    HeaderRecipients out;
    for (const auto& field : split.header) {
        std::string_view name = field.name;
        if (resent != base::istarts_with(name, "Resent-")) continue;
        if (resent) name.remove_prefix(7);
        if (!base::iequals(name, "To") && !base::iequals(name, "Cc") && !base::iequals(name, "Bcc")) continue;
        AddressList list = parse_address_list(field.value);
        std::ranges::move(list.addresses, std::back_inserter(out.addresses));
        std::ranges::move(list.wrong, std::back_inserter(out.wrong));
    }
    return out;
}

std::string complete_header(std::string_view message, const MissingFields& missing) {
    const Split split = split_message(message);
    std::string out;
    if (!has(split.header, "Message-ID")) out += "Message-ID: " + missing.message_id + "\r\n";
    if (!has(split.header, "Date")) out += "Date: " + format_date(missing.now, missing.zone) + "\r\n";
    if (!has(split.header, "From")) out += "From: " + missing.from + "\r\n";
    for (const auto& field : split.header)
        if (!base::iequals(field.name, "Bcc") && !base::iequals(field.name, "Resent-Bcc")) out += field.text;
    if (!out.ends_with("\r\n")) out += "\r\n";
    if (!split.body.starts_with("\r\n")) out += "\r\n";
    out += split.body;
    return out;
}

}  // namespace mail
