#include "content/header_checks.hpp"

#include "base/result.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace content {
namespace {

using Kind = CheckAction::Kind;

enum class Needs { Nothing, Text, Address, Transport };
struct Word {
    std::string_view word;
    Kind kind;
    Needs needs;
    std::string_view log;
};
constexpr Word words[] = {{"DUNNO", Kind::None, Needs::Nothing, ""},
                          {"OK", Kind::None, Needs::Nothing, ""},
                          {"PASS", Kind::None, Needs::Nothing, ""},
                          {"REJECT", Kind::Reject, Needs::Nothing, "reject"},
                          {"DISCARD", Kind::Discard, Needs::Nothing, "discard"},
                          {"IGNORE", Kind::Ignore, Needs::Nothing, ""},
                          {"STRIP", Kind::Strip, Needs::Nothing, "strip"},
                          {"REPLACE", Kind::Replace, Needs::Text, "replace"},
                          {"PREPEND", Kind::Prepend, Needs::Text, "prepend"},
                          {"FILTER", Kind::Filter, Needs::Transport, "filter"},
                          {"REDIRECT", Kind::Redirect, Needs::Address, "redirect"},
                          {"HOLD", Kind::Hold, Needs::Nothing, "hold"},
                          {"BCC", Kind::Bcc, Needs::Address, "bcc"},
                          {"WARN", Kind::Warn, Needs::Nothing, "warning"},
                          {"INFO", Kind::Info, Needs::Nothing, "info"}};

bool has_what_it_needs(const Word& word, std::string_view text) {
    switch (word.needs) {
        case Needs::Nothing:
            return true;
        case Needs::Text:
            return !text.empty();
        case Needs::Address:
            return text.find('@') != std::string_view::npos;
        case Needs::Transport:
            return text.find(':') != std::string_view::npos;
    }
    return false;
}

}  // namespace

env::Task<std::expected<FoundCheck, std::string>> HeaderChecks::ask(const Map& map, std::string text) {
    FoundCheck out{{}, map.parameter};
    if (map.tables.empty()) co_return out;
    auto found = co_await map.tables.lookup(std::move(text));
    if (!found) co_return std::unexpected(fmt::format("{}: {}", map.parameter, found.error().text));
    if (*found) out.action = parse_check_action(**found);
    co_return out;
}

CheckAction parse_check_action(std::string_view result) {
    result = base::trim(result);
    const auto end = std::min(result.find_first_of(" \t"), result.size());
    const std::string_view rest = base::trim(result.substr(end));
    const auto* found = std::ranges::find_if(
        words, [&](const Word& word) { return base::iequals(word.word, result.substr(0, end)); });
    if (found == std::end(words) || !has_what_it_needs(*found, rest))
        return {Kind::Unknown, std::string(result)};
    return {found->kind, std::string(rest)};
}

std::string_view to_text(CheckAction::Kind kind) {
    const auto* found = std::ranges::find(words, kind, &Word::kind);
    return found == std::end(words) ? std::string_view{} : found->log;
}

std::expected<HeaderChecks, std::string> HeaderChecks::make(const Specs& specs, tables::Factory& factory) {
    HeaderChecks out;
    const auto open = [&](std::string_view name, const std::string& text,
                          Map& to) -> std::expected<void, std::string> {
        to.parameter = specs.prefix + std::string(name);
        auto made = factory.open_list(text);
        if (!made) return std::unexpected(fmt::format("{}: {}", to.parameter, made.error().text));
        to.tables = std::move(*made);
        return {};
    };
    TRY(open("header_checks", specs.header, out.header_));
    TRY(open("mime_header_checks", specs.mime, out.mime_));
    TRY(open("nested_header_checks", specs.nested, out.nested_));
    TRY(open("body_checks", specs.body, out.body_));
    return out;
}

env::Task<std::expected<FoundCheck, std::string>> HeaderChecks::check_field(
    std::string field, mail::MimePiece::Block block) const {
    using Block = mail::MimePiece::Block;
    const std::string_view name = mail::field_name(field);
    // A MIME field is one wherever it stands, in an attached message too.
    const bool mime = base::istarts_with(name, "Content-") || base::iequals(name, "MIME-Version");
    const Map& map = (block == Block::Part || mime) ? mime_ : block == Block::Nested ? nested_ : header_;
    return ask(map, std::move(field));
}

env::Task<std::expected<FoundCheck, std::string>> HeaderChecks::check_line(std::string line) const {
    return ask(body_, std::move(line));
}

}  // namespace content
