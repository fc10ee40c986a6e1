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

namespace {

/// "/pattern/flags" off the front of `line`, with any delimiter that is no letter or digit.
std::expected<std::optional<Pattern>, std::string> take_pattern(std::string_view& line) {
    const char delimiter = line.empty() ? ' ' : line.front();
    std::size_t end = 1;
    while (end < line.size() && line[end] != delimiter) end += line[end] == '\\' ? 2 : 1;
    if (line.empty() || base::is_alnum(delimiter) || end >= line.size())
        return std::unexpected("no /pattern/");
    const std::string_view pattern = line.substr(1, end - 1);
    line.remove_prefix(end + 1);
    const auto flags_end = std::min(line.find_first_of(" \t"), line.size());
    auto compiled = Pattern::compile(pattern, line.substr(0, flags_end));
    if (!compiled) return std::unexpected(compiled.error());
    line.remove_prefix(flags_end);
    return std::optional(std::move(*compiled));
}

}  // namespace

std::expected<void, std::string> PatternTable::parse(std::string_view text) {
    auto rules = parse_rules<std::optional<Pattern>>(text, take_pattern);
    if (!rules) return std::unexpected(rules.error());
    rules_ = std::move(*rules);
    return {};
}

env::Task<Found> PatternTable::lookup(std::string key) {
    refresh();
    std::optional<std::vector<std::string>> groups;
    const auto* rule = first_match(rules_, [&](const std::optional<Pattern>& pattern) {
        groups = pattern->match(key);
        return groups.has_value();
    });
    if (!rule) co_return std::optional<std::string>{};
    co_return std::optional(rule->negated ? rule->value : substitute(rule->value, *groups));
}

}  // namespace tables
