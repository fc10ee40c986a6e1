// postrider parse: the grammar's own view of a path, an address list, a date, a header, a message, a bounce
// or a server's reply.
#include "base/text.hpp"
#include "commands/judge_world.hpp"
#include "commands/parse_kinds.hpp"
#include "dkim/canonicalization.hpp"
#include "mail/address_list.hpp"
#include "mail/author.hpp"
#include "mail/date.hpp"
#include "mail/dsn_reader.hpp"
#include "mail/header.hpp"
#include "mail/mime.hpp"
#include "mail/path.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace commands {
namespace {

using Json = nlohmann::ordered_json;

std::string_view without_end(std::string_view text) {
    if (text.ends_with('\n')) text.remove_suffix(1);
    if (text.ends_with('\r')) text.remove_suffix(1);
    return text;
}

/// How far `text` is the beginning of something `parses` takes.
template <class Parses>
std::size_t error_position(std::string_view text, Parses parses) {
    constexpr std::size_t looked_at_max = 1000;  // a path has at most 256 octets (RFC 5321 §4.5.3.1.3)
    text = text.substr(0, looked_at_max);
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
        return parse_failure(mail::to_text(path.error()),
                             error_position(text, [&](const std::string& candidate) {
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
    if (list.unclosed) return parse_failure("what is opened here is not closed", *list.unclosed);
    if (list.wrong_at)
        return parse_failure("not an address: " + base::printable(list.wrong.front(), 200), *list.wrong_at);
    if (list.addresses.empty() && list.groups.empty()) return parse_failure("no address", text.size());
    Json out = Json::array(), groups = Json::array();
    for (std::size_t i = 0; i < list.addresses.size(); ++i) {
        const auto& address = list.addresses[i];
        const auto& beside = list.beside[i];
        Json one{{"local_part", address.local_part}, {"domain", address.domain},
                 {"text", address.text()},           {"name", mail::display_name(beside.phrase)},
                 {"comment", beside.comment},        {"position", list.places[i].begin}};
        if (beside.group) one["group"] = *beside.group;
        out.push_back(std::move(one));
    }
    for (const auto& name : list.groups) groups.push_back(mail::display_name(name));
    print_json({{"addresses", out}, {"groups", groups}});
    return exit_ok;
}

int parse_date(std::string_view text) {
    const auto date = mail::parse_date(text);
    if (!date) return parse_failure(date.error().why, date.error().position);
    print_json({{"text", mail::format_date(date->at, date->zone_offset)},
                {"unix_time", date->at.time_since_epoch().count()},
                {"zone_minutes", date->zone_offset.count()},
                {"zone_unknown", date->zone_unknown}});
    return exit_ok;
}

std::string unfolded(std::string_view raw) {
    std::string out;
    for (const char c : raw)
        if (c != '\r' && c != '\n') out += c;
    return std::string(base::trim(out));
}

/// The line an mbox puts before a message; empty: none.
std::string_view mbox_line(std::string_view header_block) {
    if (!header_block.starts_with("From ")) return {};
    return header_block.substr(0, std::min(header_block.find('\n'), header_block.size() - 1) + 1);
}

/// Every line of a header must be a field or its continuation; the position of the first that is not.
std::optional<std::size_t> first_bad_line(std::string_view header_block) {
    std::size_t at = mbox_line(header_block).size();
    while (at < header_block.size()) {
        const auto end = std::min(header_block.find('\n', at), header_block.size());
        const auto line = header_block.substr(at, end - at);
        const bool continuation = at > 0 && (line.starts_with(' ') || line.starts_with('\t'));
        const auto colon = line.find(':');
        const auto name = base::trim(line.substr(0, colon == std::string_view::npos ? 0 : colon));
        const bool field = colon != std::string_view::npos && !name.empty() &&
                           std::ranges::all_of(name, [](char c) { return c > ' ' && c < 0x7f; });
        if (!continuation && !field) return at;
        at = end + 1;
    }
    return std::nullopt;
}

Json fields_json(std::string_view header_block) {
    Json fields = Json::array();
    for (const auto& field : dkim::split_fields(header_block.substr(mbox_line(header_block).size()))) {
        const std::string value = unfolded(field.raw.substr(field.raw.find(':') + 1));
        Json one{{"name", std::string(field.name)},
                 {"value", value},
                 {"position", field.raw.data() - header_block.data()}};
        if (const auto decoded = mail::decode_encoded_words(value); decoded != value)
            one["decoded"] = decoded;
        fields.push_back(std::move(one));
    }
    return fields;
}

Json entity_json(const mail::MimeEntity& entity, std::string_view message) {
    constexpr std::size_t decoded_octets_max = 256UL << 20;
    Json out{{"type", entity.type},
             {"charset", entity.charset},
             {"encoding", entity.encoding},
             {"disposition", entity.disposition},
             {"filename", entity.filename},
             {"content_id", entity.content_id},
             {"fields", entity.field_count},
             {"offset_header", entity.header_begin},
             {"offset_body", entity.body_begin},
             {"offset_end", entity.end},
             {"defects", entity.defects}};
    if (!entity.type.starts_with("multipart/"))
        out["octets"] = entity.decoded(message, decoded_octets_max).size();
    out["parts"] = Json::array();
    for (const auto& part : entity.parts) out["parts"].push_back(entity_json(part, message));
    return out;
}

/// A line ends with CRLF or LF; nothing is converted, so that positions are those of the input.
int parse_header(std::string_view text) {
    const auto header = mail::header_block_of(text);
    if (const auto bad = first_bad_line(header)) return parse_failure("not a header field", *bad);
    print_json({{"fields", fields_json(header)}});
    return exit_ok;
}

int parse_message(std::string_view text) {
    const auto header = mail::header_block_of(text);
    if (const auto bad = first_bad_line(header)) return parse_failure("not a header field", *bad);
    mail::HeaderScanner scanner;
    scanner.feed(header);
    scanner.finish();
    const auto author = mail::find_author(header);
    const auto mime = mail::parse_mime(text);
    print_json({{"fields", fields_json(header)},
                {"body_octets", text.size() - mime.body_begin},
                {"message_id", scanner.message_id()},
                {"received", scanner.received_count()},
                {"from", author.addresses},
                {"from_domains", author.domains},
                {"mime", entity_json(mime, text)}});
    return exit_ok;
}

int parse_bounce(std::string_view text) {
    const auto got = mail::read_returned_mail(text);
    if (got.kind == mail::ReturnedMail::Kind::None)
        return parse_failure(
            "neither a delivery status notification nor a feedback report nor an automatic answer", 0);
    Json recipients = Json::array();
    for (const auto& one : got.recipients)
        recipients.push_back({{"address", one.address()},
                              {"original_recipient", one.original_recipient},
                              {"final_recipient", one.final_recipient},
                              {"action", one.action},
                              {"status", one.status},
                              {"remote_mta", one.remote_mta},
                              {"diagnostic_code", one.diagnostic_code},
                              {"last_attempt_date", one.last_attempt_date},
                              {"will_retry_until", one.will_retry_until}});
    print_json({{"kind", mail::to_text(got.kind)},
                {"reporting_mta", got.reporting_mta},
                {"original_envelope_id", got.original_envelope_id},
                {"arrival_date", got.arrival_date},
                {"original_message_id", got.original_message_id},
                {"recipients", recipients},
                {"mentioned", got.mentioned},
                {"feedback", got.feedback}});
    return exit_ok;
}

}  // namespace

int parse_failure(std::string_view what, std::size_t position) {
    print_json({{"error", what}, {"position", position}});
    return exit_failed;
}

int parse(const Invocation& invocation) {
    constexpr std::pair<std::string_view, int (*)(std::string_view)> kinds[] = {
        {"path", parse_path},     {"address", parse_addresses}, {"date", parse_date},
        {"header", parse_header}, {"message", parse_message},   {"bounce", parse_bounce},
        {"reply", parse_reply},   {"ehlo", parse_ehlo}};
    const auto kind =
        invocation.arguments.size() == 1
            ? std::ranges::find(kinds, invocation.arguments[0], [](const auto& k) { return k.first; })
            : std::end(kinds);
    if (kind == std::end(kinds))
        return usage_error("parse", "say path, address, date, header, message, bounce, reply or ehlo");
    const auto input = read_standard_input();
    if (!input) return usage_error("parse", input.error());
    // A path, an address or a date is one line; what echo and printf add behind it is no part of it.
    const bool one_line = kind->first == "path" || kind->first == "address" || kind->first == "date";
    return kind->second(one_line ? without_end(*input) : std::string_view(*input));
}

}  // namespace commands
