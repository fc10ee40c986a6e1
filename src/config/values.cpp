#include "config/values.hpp"

#include "base/text.hpp"
#include "config/diagnostics.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace config {

std::string Diagnostic::render() const {
    constexpr std::string_view words[] = {"note", "warning", "error"};
    const auto word = words[static_cast<std::size_t>(severity)];
    if (file.empty()) return fmt::format("postrider: {}: {}", word, text);
    if (line == 0) return fmt::format("{}: {}: {}", file, word, text);
    return fmt::format("{}:{}: {}: {}", file, line, word, text);
}

bool Diagnostics::has_errors() const {
    return std::ranges::any_of(list_, [](const auto& d) { return d.severity == Severity::Error; });
}

std::optional<bool> parse_yes_no(std::string_view text) {
    if (base::iequals(text, "yes")) return true;
    if (base::iequals(text, "no")) return false;
    return std::nullopt;
}

std::optional<std::chrono::seconds> parse_time(std::string_view text, char unit) {
    if (text.empty()) return std::nullopt;
    if (!base::is_digit(text.back())) {
        unit = base::to_lower(text.back());
        text.remove_suffix(1);
    }
    constexpr std::uint64_t number_max = 1'000'000'000;
    const auto number = base::parse_number(text, number_max);
    if (!number) return std::nullopt;
    std::int64_t factor = 0;
    switch (unit) {
        case 's':
            factor = 1;
            break;
        case 'm':
            factor = 60;
            break;
        case 'h':
            factor = 3600;
            break;
        case 'd':
            factor = 86400;
            break;
        case 'w':
            factor = 7 * 86400;
            break;
        default:
            return std::nullopt;
    }
    return std::chrono::seconds(static_cast<std::int64_t>(*number) * factor);
}

std::vector<std::string> split_list(std::string_view text) {
    std::vector<std::string> out;
    std::string item;
    int depth = 0;
    for (const char c : text) {
        if (c == '{') ++depth;
        if (depth == 0 && (c == ',' || base::is_space(c))) {
            if (!item.empty()) out.push_back(std::exchange(item, {}));
            continue;
        }
        if (c == '}' && depth > 0) --depth;
        item += c;
    }
    if (!item.empty()) out.push_back(std::move(item));
    return out;
}

std::optional<std::string_view> inside_braces(std::string_view text) {
    text = base::trim(text);
    if (text.size() < 2 || text.front() != '{' || text.back() != '}') return std::nullopt;
    return base::trim(text.substr(1, text.size() - 2));
}

std::size_t edit_distance(std::string_view a, std::string_view b, std::size_t max) {
    if (a.size() > b.size() + max || b.size() > a.size() + max) return max + 1;
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t above = row[j];
            row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
            diagonal = above;
        }
    }
    return row[b.size()];
}

}  // namespace config
