#include "smtp/command.hpp"

#include "base/result.hpp"
#include "base/text.hpp"
#include "mail/path.hpp"
#include "mail/xtext.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace smtp {
namespace {

struct VerbName {
    std::string_view name;
    Verb verb;
    std::string_view count_name;
};
constexpr VerbName verbs[] = {{"HELO", Verb::Helo, "helo"},
                              {"EHLO", Verb::Ehlo, "ehlo"},
                              {"MAIL", Verb::Mail, "mail"},
                              {"RCPT", Verb::Rcpt, "rcpt"},
                              {"DATA", Verb::Data, "data"},
                              {"BDAT", Verb::Bdat, "bdat"},
                              {"RSET", Verb::Rset, "rset"},
                              {"NOOP", Verb::Noop, "noop"},
                              {"QUIT", Verb::Quit, "quit"},
                              {"VRFY", Verb::Vrfy, "vrfy"},
                              {"EXPN", Verb::Expn, "expn"},
                              {"HELP", Verb::Help, "help"},
                              {"ETRN", Verb::Etrn, "etrn"},
                              {"STARTTLS", Verb::StartTls, "starttls"},
                              {"AUTH", Verb::Auth, "auth"},
                              {"XCLIENT", Verb::Xclient, "xclient"},
                              {"XFORWARD", Verb::Xforward, "xforward"}};

constexpr std::size_t envelope_id_max = 100;  // RFC 3461 §4.4
constexpr std::size_t original_max = 500;     // RFC 3461 §4.2

using Refusal = mail::ReplyText;

Refusal unsupported(std::string_view parameter) {
    return {555, {5, 5, 4}, fmt::format("Unsupported option: {}", base::printable(parameter, 64))};
}
Refusal bad(std::string_view what) { return {501, {5, 5, 4}, fmt::format("Bad {}", what)}; }

Refusal bad_path(std::string_view syntax, mail::PathError error, bool sender) {
    if (error == mail::PathError::NonAscii)
        return {sender ? 550 : 553,
                {5, 6, 7},
                "Error: the address is international and SMTPUTF8 was not asked for"};
    return {501,
            {5, 1, static_cast<std::uint16_t>(sender ? 7 : 3)},
            fmt::format("Bad {} address syntax", syntax)};
}

struct Parts {
    std::string_view path;
    std::vector<std::string_view> parameters;
};

// "FROM:<path> parameters": a space after the colon is tolerated, as Postfix does without
// strict_rfc821_envelopes.
std::optional<Parts> split_path(std::string_view argument, std::string_view keyword,
                                const GrammarOptions& options) {
    if (!base::istarts_with(argument, keyword)) return std::nullopt;
    argument.remove_prefix(keyword.size());
    if (!options.strict) {
        while (!argument.empty() && argument.front() == ' ') argument.remove_prefix(1);
    }
    Parts out;
    const auto length = mail::path_length(argument);
    out.path = argument.substr(0, length);
    argument.remove_prefix(length);
    if (out.path.empty() || (!argument.empty() && argument.front() != ' ')) return std::nullopt;
    out.parameters = base::split_any(argument, " ");
    return out;
}

mail::PathOptions path_options(const GrammarOptions& options, bool utf8) {
    return {utf8 ? mail::PathOptions::Utf8::Allow : mail::PathOptions::Utf8::Refuse,
            options.strict ? mail::PathOptions::Form::Strict : mail::PathOptions::Form::Tolerant};
}

std::string inner_text(std::string_view path) {
    if (path.starts_with('<') && path.ends_with('>')) path = path.substr(1, path.size() - 2);
    return std::string(path);
}

std::optional<mail::Notify> parse_notify(std::string_view value) {
    if (base::iequals(value, "NEVER")) return mail::Notify::Never;
    mail::Notify out = mail::Notify::Default;
    for (const auto word : base::split(value, ',')) {
        if (base::iequals(word, "SUCCESS"))
            out = out | mail::Notify::Success;
        else if (base::iequals(word, "FAILURE"))
            out = out | mail::Notify::Failure;
        else if (base::iequals(word, "DELAY"))
            out = out | mail::Notify::Delay;
        else
            return std::nullopt;
    }
    return out;
}

std::optional<Refusal> mail_parameter(std::string_view word, const GrammarOptions& options,
                                      MailCommand& out) {
    const auto equals = word.find('=');
    const std::string_view name = word.substr(0, equals);
    const bool has_value = equals != std::string_view::npos;
    const std::string_view value = has_value ? word.substr(equals + 1) : std::string_view{};
    if (options.size && base::iequals(name, "SIZE")) {
        const auto size = base::parse_number(value, 1ULL << 62);
        if (!size || value.size() > 20) return bad("message size syntax");
        out.size = *size;
        return std::nullopt;
    }
    if (options.eight_bit && base::iequals(name, "BODY")) {
        if (base::iequals(value, "7BIT"))
            out.body = mail::BodyType::SevenBit;
        else if (base::iequals(value, "8BITMIME"))
            out.body = mail::BodyType::EightBitMime;
        else if (options.chunking && base::iequals(value, "BINARYMIME"))
            out.body = mail::BodyType::BinaryMime;
        else
            return unsupported(word);
        return std::nullopt;
    }
    if (options.smtputf8 && base::iequals(word, "SMTPUTF8"))
        return std::nullopt;  // seen before the path was parsed
    if (options.dsn && base::iequals(name, "RET")) {
        if (out.dsn_return != mail::DsnReturn::Unspecified) return bad("RET parameter syntax");
        if (base::iequals(value, "FULL"))
            out.dsn_return = mail::DsnReturn::Full;
        else if (base::iequals(value, "HDRS"))
            out.dsn_return = mail::DsnReturn::Headers;
        else
            return bad("RET parameter syntax");
        return std::nullopt;
    }
    if (options.dsn && base::iequals(name, "ENVID")) {
        const auto id = mail::decode_xtext(value);
        if (!id || id->empty() || value.size() > envelope_id_max || !out.envelope_id.empty())
            return bad("ENVID parameter syntax");
        out.envelope_id = *id;
        return std::nullopt;
    }
    if (options.auth && base::iequals(name, "AUTH")) {
        const auto sender = mail::decode_xtext(value);
        if (!sender || sender->empty()) return bad("AUTH parameter syntax");  // a mailbox or <> (§5)
        out.auth_sender = *sender;
        return std::nullopt;
    }
    return unsupported(word);
}

std::optional<Refusal> rcpt_parameter(std::string_view word, const GrammarOptions& options,
                                      RcptCommand& out) {
    const auto equals = word.find('=');
    const std::string_view name = word.substr(0, equals);
    const std::string_view value =
        equals != std::string_view::npos ? word.substr(equals + 1) : std::string_view{};
    if (options.dsn && base::iequals(name, "NOTIFY")) {
        const auto notify = parse_notify(value);
        if (!notify || out.notify != mail::Notify::Default) return bad("NOTIFY parameter syntax");
        out.notify = *notify;
        return std::nullopt;
    }
    if (options.dsn && base::iequals(name, "ORCPT")) {
        const auto semicolon = value.find(';');
        const auto address = semicolon == std::string_view::npos
                                 ? std::nullopt
                                 : mail::decode_xtext(value.substr(semicolon + 1));
        const std::string_view type = value.substr(0, semicolon);
        const bool type_ok =
            !type.empty() && std::ranges::all_of(type, [](char c) { return base::is_alnum(c) || c == '-'; });
        if (!address || address->empty() || !type_ok || value.size() > original_max || !out.original.empty())
            return bad("ORCPT parameter syntax");
        out.original = std::string(type) + ";" + *address;
        return std::nullopt;
    }
    return unsupported(word);
}

}  // namespace

CommandLine parse_command_line(std::string_view line) {
    CommandLine out;
    while (!line.empty() && (line.back() == ' ' || line.back() == '\t')) line.remove_suffix(1);
    const auto end = std::min(line.find_first_of(" \t"), line.size());
    out.word = line.substr(0, end);
    out.argument = line.substr(end);
    while (!out.argument.empty() && (out.argument.front() == ' ' || out.argument.front() == '\t'))
        out.argument.remove_prefix(1);
    const auto* found =
        std::ranges::find_if(verbs, [&](const auto& v) { return base::iequals(v.name, out.word); });
    if (found != std::end(verbs)) out.verb = found->verb;
    return out;
}

std::string_view to_text(Verb verb) {
    const auto* found = std::ranges::find_if(verbs, [&](const auto& v) { return v.verb == verb; });
    return found != std::end(verbs) ? found->count_name : "unknown";
}

std::expected<MailCommand, Refusal> parse_mail(std::string_view argument, const GrammarOptions& options) {
    const auto parts = split_path(argument, "FROM:", options);
    if (!parts) return std::unexpected(Refusal{501, {5, 5, 4}, "Syntax: MAIL FROM:<address>"});
    MailCommand out;
    out.smtputf8 = options.smtputf8 && std::ranges::any_of(parts->parameters, [](auto p) {
                       return base::iequals(p, "SMTPUTF8");
                   });
    auto path = mail::parse_reverse_path(parts->path, path_options(options, out.smtputf8));
    if (!path) return std::unexpected(bad_path("sender", path.error(), true));
    out.path = std::move(*path);
    out.path_text = inner_text(parts->path);
    for (const auto word : parts->parameters)
        if (auto refusal = mail_parameter(word, options, out)) return std::unexpected(std::move(*refusal));
    return out;
}

std::expected<RcptCommand, Refusal> parse_rcpt(std::string_view argument, const GrammarOptions& options,
                                               bool utf8) {
    const auto parts = split_path(argument, "TO:", options);
    if (!parts) return std::unexpected(Refusal{501, {5, 5, 4}, "Syntax: RCPT TO:<address>"});
    auto path = mail::parse_forward_path(parts->path, path_options(options, utf8));
    if (!path) return std::unexpected(bad_path("recipient", path.error(), false));
    RcptCommand out;
    out.address = std::move(path->address);
    out.path_text = inner_text(parts->path);
    for (const auto word : parts->parameters)
        if (auto refusal = rcpt_parameter(word, options, out)) return std::unexpected(std::move(*refusal));
    return out;
}

std::optional<BdatCommand> parse_bdat(std::string_view argument) {
    const auto words = base::split_any(argument, " \t");
    if (words.empty() || words.size() > 2) return std::nullopt;
    const auto size = base::parse_number(words[0], 1ULL << 62);
    if (!size || (words.size() == 2 && !base::iequals(words[1], "LAST"))) return std::nullopt;
    return BdatCommand{*size, words.size() == 2};
}

std::optional<std::string> parse_etrn(std::string_view argument) {
    if (argument.starts_with('@') || argument.starts_with('#')) argument.remove_prefix(1);
    auto mailbox = mail::parse_mailbox("postmaster@" + std::string(argument));
    if (!mailbox || mailbox->local_part != "postmaster") return std::nullopt;
    return std::move(mailbox->domain);
}

bool is_helo_argument(std::string_view argument) {
    constexpr std::size_t length_max = 255;
    return !argument.empty() && argument.size() <= length_max && base::is_utf8(argument) &&
           std::ranges::none_of(argument,
                                [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

}  // namespace smtp
