#include "delivery/alias_value.hpp"

#include "base/text.hpp"
#include "mail/path.hpp"

namespace delivery {
namespace {

// Pieces between commas that stand outside "…" and (…).
std::vector<std::string> split_items(std::string_view text) {
    std::vector<std::string> out(1);
    bool quoted = false;
    int depth = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '\\' && quoted && i + 1 < text.size()) {
            out.back() += c;
            out.back() += text[++i];
            continue;
        }
        if (c == '"') quoted = !quoted;
        if (!quoted && c == '(') ++depth;
        if (!quoted && c == ')' && depth > 0) --depth;
        if (!quoted && depth == 0 && c == ',')
            out.emplace_back();
        else
            out.back() += c;
    }
    return out;
}

// `"…"` as a whole, or |"…": the quotes are not part of the command or file.
std::string unquote(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '"') continue;
        if (text[i] == '\\' && i + 1 < text.size()) ++i;
        out += text[i];
    }
    return out;
}

// "Ann Example <ann@example.org>" and "ann@example.org (Ann)": the address alone.
std::string bare_address(std::string_view text) {
    if (const auto open = text.rfind('<'); open != std::string_view::npos && text.ends_with('>'))
        return std::string(base::trim(text.substr(open + 1, text.size() - open - 2)));
    std::string out;
    int depth = 0;
    bool quoted = false;
    for (const char c : text) {
        if (c == '"') quoted = !quoted;
        if (!quoted && c == '(') ++depth;
        if (depth == 0) out += c;
        if (!quoted && c == ')' && depth > 0) --depth;
    }
    return std::string(base::trim(out));
}

void add(std::string_view item, AliasItems& out) {
    item = base::trim(item);
    if (item.empty()) return;
    const bool whole_quoted = item.size() > 2 && item.front() == '"' && item.back() == '"' &&
                              (item[1] == '|' || item[1] == '/' || item[1] == ':');
    const std::string text = whole_quoted ? unquote(item) : std::string(item);
    constexpr std::string_view include = ":include:";
    if (text.starts_with('|')) {
        std::string_view command = base::trim(std::string_view(text).substr(1));
        const bool inner =
            !whole_quoted && command.size() > 1 && command.starts_with('"') && command.ends_with('"');
        out.items.emplace_back(AliasCommand{inner ? unquote(command) : std::string(command)});
    } else if (text.starts_with('/')) {
        out.items.emplace_back(AliasFile{text});
    } else if (base::istarts_with(text, include)) {
        out.items.emplace_back(
            AliasInclude{std::string(base::trim(std::string_view(text).substr(include.size())))});
    } else {
        AliasAddress address;
        std::string bare = bare_address(text);
        if (bare.starts_with('\\')) {
            address.final = true;
            bare.erase(0, 1);
        }
        const mail::PathOptions tolerant{mail::PathOptions::Utf8::Allow, mail::PathOptions::Form::Tolerant};
        auto parsed = mail::parse_mailbox(bare, tolerant);
        if (parsed) {
            address.address = std::move(*parsed);
            out.items.emplace_back(std::move(address));
        } else {
            out.wrong.push_back(text);
        }
    }
}

}  // namespace

AliasItems parse_alias_value(std::string_view text) {
    AliasItems out;
    for (const auto line : base::split(text, '\n')) {
        if (base::trim(line).starts_with('#')) continue;
        for (const auto& item : split_items(line)) add(item, out);
    }
    return out;
}

}  // namespace delivery
