// The right-hand side of access tables (access(5)).
#include "base/text.hpp"
#include "config/values.hpp"
#include "mail/mime_splitter.hpp"
#include "policy/restriction_table.hpp"

#include <fmt/format.h>

namespace policy {
namespace {

// "4.7.1 text" or "text": the status, or the default of the class.
mail::ReplyText reply_of(int code, std::string_view rest, std::string shown, std::string_view what) {
    mail::ReplyText out;
    out.code = code;
    out.status = {static_cast<std::uint16_t>(code / 100), 7, 1};
    if (const auto status = mail::Status::parse_prefix(rest)) {
        out.status = *status;
        out.status.class_ = static_cast<std::uint16_t>(code / 100);  // they must agree (RFC 2034 §4)
        rest = base::trim(rest.substr(status->text().size()));
    }
    out.text = fmt::format("<{}>: {} rejected: {}", shown, what, rest.empty() ? "Access denied" : rest);
    return out;
}

bool is_code(std::string_view word, char first) {
    return word.size() == 3 && word[0] == first && base::is_digit(word[1]) && base::is_digit(word[2]);
}

struct Subject {
    std::string_view shown, what;  // "<ann@example.org>" without its brackets, "Recipient address"
};

/// HOLD, DISCARD, FILTER and their like, which say nothing about acceptance. False: `word` is none of them.
bool apply_side_effect(Context& context, std::string_view word, const std::string& rest, Subject subject) {
    auto& effects = context.effects;
    const auto say = [&](std::string_view action, std::string_view text) {
        context.notes.push_back(
            {std::string(action), fmt::format("<{}>: {} {}", subject.shown, subject.what, text)});
    };
    const auto needs = [&](char mark) {
        if (rest.find(mark) != std::string::npos) return true;
        context.notes.push_back(
            {"", fmt::format("access table: {} needs {} with a '{}'", word,
                             mark == ':' ? "transport:destination" : "an address", mark)});
        return false;
    };
    if (word == "HOLD") {
        effects.hold = true;
        say("hold", rest.empty() ? "triggers HOLD action" : rest);
    } else if (word == "DISCARD") {
        effects.discard = true;
        say("discard", rest.empty() ? "triggers DISCARD action" : rest);
    } else if (word == "FILTER") {
        if (!needs(':')) return true;
        effects.filter = rest;
        say("filter", "triggers FILTER " + rest);
    } else if (word == "REDIRECT") {
        if (!needs('@')) return true;
        effects.redirect = rest;
        say("redirect", "triggers REDIRECT " + rest);
    } else if (word == "BCC") {
        if (!needs('@')) return true;
        effects.bcc.push_back(rest);
        say("bcc", "triggers BCC " + rest);
    } else if (word == "PREPEND") {
        if (!mail::field_name(rest).empty() && rest.find_first_of("\r\n") == std::string::npos)
            effects.prepend.push_back(rest);
        else
            context.notes.push_back({"", "access table: PREPEND needs a header field, name: value"});
    } else if (word == "WARN" || word == "INFO") {
        context.notes.push_back({base::lower(word), rest});
    } else {
        return false;
    }
    return true;
}

}  // namespace

env::Task<Outcome> run_access_action(Context& context, std::string action, std::string shown,
                                     std::string_view what) {
    const std::string_view text = base::trim(action);
    const auto end = std::min(text.find_first_of(" \t"), text.size());
    const std::string word = base::upper(text.substr(0, end));
    const std::string rest(base::trim(text.substr(end)));
    Outcome out;
    // A number alone is what pop-before-smtp writes; with a text it is a code that SMTP does not know.
    const bool number =
        !word.empty() && rest.empty() && word.find_first_not_of("0123456789") == std::string::npos;
    if (word == "OK" || word == "RELAY" || (number && !is_code(word, '4') && !is_code(word, '5'))) {
        out.kind = Outcome::Kind::Permit;
    } else if (word == "DUNNO") {
    } else if (word == "REJECT" || word == "DEFER" || is_code(word, '4') || is_code(word, '5')) {
        out.kind = Outcome::Kind::Refuse;
        const int code = word == "REJECT"  ? static_cast<int>(context.options.access_map_reject_code)
                         : word == "DEFER" ? static_cast<int>(context.options.access_map_defer_code)
                                           : std::stoi(word);
        out.reply = reply_of(code, rest, shown, what);
    } else if (word == "DEFER_IF_PERMIT") {
        context.defer_if_permit = reply_of(450, rest, shown, what);
    } else if (word == "DEFER_IF_REJECT") {
        context.defer_if_reject = reply_of(450, rest, shown, what);
    } else if (apply_side_effect(context, word, rest, {shown, what})) {
    } else {
        // A list of restrictions as a value: classes, and what needs no argument; both are known at load.
        for (const auto& name : config::split_list(text)) {
            const auto found = context.classes.find(name);
            const Entry* entry = found == context.classes.end() ? find_entry(base::lower(name)) : nullptr;
            if (entry && entry->argument == Argument::None) {
                const Step step{name, {}, nullptr, nullptr, entry->run};
                out = co_await entry->run(context, step);
                if (out.kind != Outcome::Kind::Dunno) break;
                continue;
            }
            if (found == context.classes.end()) {
                context.notes.push_back(
                    {"", fmt::format("access table: '{}' is no action; the mail is deferred",
                                     base::printable(name, 60))});
                out.kind = Outcome::Kind::Refuse;
                out.reply = {451, {4, 3, 5}, "Server configuration error"};
                co_return out;
            }
            out = co_await evaluate(context, *found->second);
            if (out.kind != Outcome::Kind::Dunno) break;
        }
    }
    co_return out;
}

}  // namespace policy
