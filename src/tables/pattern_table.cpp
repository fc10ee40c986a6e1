#include "tables/pattern_table.hpp"

#define PCRE2_CODE_UNIT_WIDTH 8
#include "base/text.hpp"

#include <fmt/format.h>
#include <pcre2.h>

namespace tables {
namespace {

constexpr std::uint32_t match_limit = 100'000;  // steps: bounds the time of one match
constexpr std::uint32_t depth_limit = 1'000;
constexpr std::size_t groups_max = 100;

// "$1", "${1}", "$(1)" by the groups, "$$" by a dollar sign.
std::string substitute(std::string_view value, const std::vector<std::string>& groups) {
    std::string out;
    for (std::size_t i = 0; i < value.size(); ++i) {
        if (value[i] != '$' || i + 1 >= value.size()) {
            out += value[i];
            continue;
        }
        std::size_t at = i + 1;
        if (value[at] == '$') {
            out += '$';
            i = at;
            continue;
        }
        const bool bracket = value[at] == '{' || value[at] == '(';
        if (bracket) ++at;
        std::size_t number = 0;
        const std::size_t begin = at;
        while (at < value.size() && base::is_digit(value[at]) && at - begin < 3)
            number = number * 10 + static_cast<std::size_t>(value[at++] - '0');
        if (at == begin) {
            out += value[i];
            continue;
        }
        if (bracket && at < value.size()) ++at;
        if (number < groups.size()) out += groups[number];
        i = at - 1;
    }
    return out;
}

}  // namespace

std::expected<Pattern, std::string> Pattern::compile(std::string_view pattern, std::string_view flags) {
    std::uint32_t options = PCRE2_CASELESS | PCRE2_DOTALL;  // Postfix's defaults; each flag toggles
    for (const char flag : flags) {
        switch (flag) {
            case 'i':
                options ^= PCRE2_CASELESS;
                break;
            case 's':
                options ^= PCRE2_DOTALL;
                break;
            case 'm':
                options ^= PCRE2_MULTILINE;
                break;
            case 'x':
                options ^= PCRE2_EXTENDED;
                break;
            case 'A':
                options ^= PCRE2_ANCHORED;
                break;
            case 'E':
                options ^= PCRE2_DOLLAR_ENDONLY;
                break;
            case 'U':
                options ^= PCRE2_UNGREEDY;
                break;
            case 'X':
                break;
            default:
                return std::unexpected(fmt::format("unknown flag '{}'", flag));
        }
    }
    int error = 0;
    PCRE2_SIZE offset = 0;
    auto* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), options, &error,
                               &offset, nullptr);
    if (!code) {
        PCRE2_UCHAR text[200];
        pcre2_get_error_message(error, text, sizeof text);
        return std::unexpected(
            fmt::format("{} at character {}", reinterpret_cast<const char*>(text), offset));
    }
    Pattern out;
    out.code_ = {code, [](void* c) { pcre2_code_free(static_cast<pcre2_code*>(c)); }};
    return out;
}

std::optional<std::vector<std::string>> Pattern::match(std::string_view subject) const {
    auto* code = static_cast<pcre2_code*>(code_.get());
    const std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> data{
        pcre2_match_data_create_from_pattern(code, nullptr), pcre2_match_data_free};
    const std::unique_ptr<pcre2_match_context, decltype(&pcre2_match_context_free)> context{
        pcre2_match_context_create(nullptr), pcre2_match_context_free};
    pcre2_set_match_limit(context.get(), match_limit);
    pcre2_set_depth_limit(context.get(), depth_limit);
    const int count = pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(subject.data()), subject.size(), 0, 0,
                                  data.get(), context.get());
    if (count < 0) return std::nullopt;
    const PCRE2_SIZE* offsets = pcre2_get_ovector_pointer(data.get());
    std::vector<std::string> out;
    for (int i = 0; i < count && out.size() < groups_max; ++i) {
        const auto from = offsets[2 * i], to = offsets[2 * i + 1];
        out.emplace_back(from == PCRE2_UNSET ? std::string_view{} : subject.substr(from, to - from));
    }
    return out;
}

std::expected<void, std::string> PatternTable::parse(std::string_view text) {
    std::vector<Rule> rules;
    int number = 0, depth = 0;
    std::vector<std::pair<std::string, int>> lines;
    for (std::string_view line : base::split(text, '\n')) {
        ++number;
        const auto content = base::trim(line);
        if (content.empty() || content.front() == '#') continue;
        if (base::is_space(line.front()) && !lines.empty())
            lines.back().first += " " + std::string(content);
        else
            lines.emplace_back(content, number);
    }
    for (const auto& [text_line, at] : lines) {
        std::string_view line = text_line;
        Rule rule;
        if (base::istarts_with(line, "endif")) {
            if (--depth < 0) return std::unexpected(fmt::format("line {}: endif without if", at));
            rule.kind = Rule::Kind::EndIf;
            rules.push_back(std::move(rule));
            continue;
        }
        if (base::istarts_with(line, "if") && line.size() > 2 && !base::is_alnum(line[2])) {
            rule.kind = Rule::Kind::If;
            line = base::trim(line.substr(2));
            ++depth;
        }
        if (line.starts_with('!')) {
            rule.negated = true;
            line = base::trim(line.substr(1));
        }
        const char delimiter = line.empty() ? ' ' : line.front();
        std::size_t end = 1;
        while (end < line.size() && line[end] != delimiter) end += line[end] == '\\' ? 2 : 1;
        if (line.empty() || base::is_alnum(delimiter) || end >= line.size())
            return std::unexpected(fmt::format("line {}: no /pattern/", at));
        const std::string_view pattern = line.substr(1, end - 1);
        line.remove_prefix(end + 1);
        const auto flags_end = std::min(line.find_first_of(" \t"), line.size());
        auto compiled = Pattern::compile(pattern, line.substr(0, flags_end));
        if (!compiled) return std::unexpected(fmt::format("line {}: {}", at, compiled.error()));
        rule.pattern = std::move(*compiled);
        rule.value = base::trim(line.substr(flags_end));
        if (rule.kind == Rule::Kind::Match && rule.value.empty())
            return std::unexpected(fmt::format("line {}: no value", at));
        rules.push_back(std::move(rule));
    }
    if (depth != 0) return std::unexpected("if without endif");
    rules_ = std::move(rules);
    return {};
}

env::Task<Found> PatternTable::lookup(std::string key) {
    refresh();
    int skipping = 0;
    for (const auto& rule : rules_) {
        if (rule.kind == Rule::Kind::EndIf) {
            if (skipping > 0) --skipping;
            continue;
        }
        if (skipping > 0) {
            if (rule.kind == Rule::Kind::If) ++skipping;
            continue;
        }
        const auto groups = rule.pattern->match(key);
        const bool matches = groups.has_value() != rule.negated;
        if (rule.kind == Rule::Kind::If)
            skipping = matches ? 0 : 1;
        else if (matches)
            co_return std::optional(rule.negated ? rule.value : substitute(rule.value, *groups));
    }
    co_return std::optional<std::string>{};
}

}  // namespace tables
