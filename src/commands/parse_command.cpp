// postrider parse: the grammar's own view of a path, an address list, a header or a message.
#include "base/text.hpp"
#include "commands/judge_world.hpp"
#include "dkim/canonicalization.hpp"
#include "mail/address_list.hpp"
#include "mail/author.hpp"
#include "mail/header.hpp"
#include "mail/path.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace commands {
namespace {

using Json = nlohmann::ordered_json;

int fail(std::string_view what, std::size_t position) {
    print_json({{"error", what}, {"position", position}});
    return exit_failed;
}

std::string_view without_end(std::string_view text) {
    if (text.ends_with('\n')) text.remove_suffix(1);
    if (text.ends_with('\r')) text.remove_suffix(1);
    return text;
}

/// How far `text` is the beginning of something `parses` takes.
template <class Parses>
std::size_t error_position(std::string_view text, Parses parses) {
    constexpr std::string_view endings[] = {"",   ">",   "a>",        "@a>",    "a@a>",  ":a@a>",   "\"@a>",
                                            "]>", "1]>", "1.1.1.1]>", "a\"@a>", ".a@a>", "1:1::1]>"};
    for (std::size_t n = text.size(); n > 0; --n)
        for (const auto ending : endings)
            if (parses(std::string(text.substr(0, n)) + std::string(ending))) return n;
    return 0;
}

int parse_path(std::string_view text) {
    const mail::PathOptions options{mail::PathOptions::Utf8::Allow, mail::PathOptions::Form::Strict};
    const auto path = mail::parse_reverse_path(text, options);
    if (!path)
        return fail(mail::to_text(path.error()), error_position(text, [&](const std::string& candidate) {
                        return mail::parse_reverse_path(candidate, options).has_value();
                    }));
    Json out{{"null", path->is_null()}};
    if (!path->is_null()) {
        out["local_part"] = path->address().local_part;
        out["domain"] = path->address().domain;
        out["text"] = path->address().text();
    }
    print_json(out);
    return exit_ok;
}

int parse_addresses(std::string_view text) {
    const auto list = mail::parse_address_list(text);
    if (!list.wrong.empty() || list.addresses.empty()) {
        const auto position = list.wrong.empty() ? text.size() : text.find(list.wrong.front());
        return fail(
            list.wrong.empty() ? "no address" : "not an address: " + base::printable(list.wrong.front(), 200),
            position == std::string_view::npos ? 0 : position);
    }
    Json out = Json::array();
    for (const auto& address : list.addresses)
        out.push_back(
            {{"local_part", address.local_part}, {"domain", address.domain}, {"text", address.text()}});
    print_json({{"addresses", out}});
    return exit_ok;
}

std::string unfolded(std::string_view raw) {
    std::string out;
    for (const char c : raw)
        if (c != '\r' && c != '\n') out += c;
    return std::string(base::trim(out));
}

/// Every line of a header must be a field or its continuation; the position of the first that is not.
std::optional<std::size_t> first_bad_line(std::string_view header_block) {
    std::size_t at = 0;
    while (at < header_block.size()) {
        const auto end = std::min(header_block.find("\r\n", at), header_block.size());
        const auto line = header_block.substr(at, end - at);
        const bool continuation = at > 0 && (line.starts_with(' ') || line.starts_with('\t'));
        const auto colon = line.find(':');
        const auto name = line.substr(0, colon == std::string_view::npos ? 0 : colon);
        const bool field = colon != std::string_view::npos && !base::trim(name).empty() &&
                           std::ranges::all_of(base::trim(name), [](char c) { return c > ' ' && c < 0x7f; });
        if (!continuation && !field) return at;
        at = end + 2;
    }
    return std::nullopt;
}

int parse_header(std::string_view text, bool message) {
    const WireMessage wire = split_message(text);
    if (const auto bad = first_bad_line(wire.header_block)) return fail("not a header field", *bad);
    Json fields = Json::array();
    for (const auto& field : dkim::split_fields(wire.header_block))
        fields.push_back({{"name", std::string(field.name)},
                          {"value", unfolded(field.raw.substr(field.raw.find(':') + 1))}});
    if (!message) {
        print_json({{"fields", fields}});
        return exit_ok;
    }
    mail::HeaderScanner scanner;
    scanner.feed(wire.header_block);
    scanner.finish();
    const auto author = mail::find_author(wire.header_block);
    print_json({{"fields", fields},
                {"body_octets", wire.body.size()},
                {"message_id", scanner.message_id()},
                {"received", scanner.received_count()},
                {"from", author.addresses},
                {"from_domains", author.domains}});
    return exit_ok;
}

}  // namespace

int parse(const Invocation& invocation) {
    if (invocation.arguments.size() != 1) return usage_error("parse", "say path, address, header or message");
    const std::string& what = invocation.arguments[0];
    const std::string input = read_standard_input();
    if (what == "path") return parse_path(without_end(input));
    if (what == "address") return parse_addresses(without_end(input));
    if (what == "header" || what == "message") return parse_header(input, what == "message");
    return usage_error("parse", fmt::format("'{}' is none of path, address, header, message", what));
}

}  // namespace commands
