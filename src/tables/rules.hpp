// What pcre:, regexp: and cidr: tables share (pcre_table(5), cidr_table(5)): one rule a logical line, tried
// in order;
// "!" in front negates; "if CONDITION" … "endif" encloses rules, to any depth. `Condition` is a compiled
// pattern or a network. Pure.
#pragma once

#include "base/text.hpp"
#include "config/main_cf.hpp"

#include <expected>
#include <fmt/format.h>
#include <string>
#include <string_view>
#include <vector>

namespace tables {

template <class Condition>
struct Rule {
    enum class Kind { Match, If, EndIf } kind = Kind::Match;
    Condition condition;  // meaningless for EndIf
    bool negated = false;
    std::string value;
};

/// `take_condition` reads the condition off the front of a line (std::string_view&) and leaves the value; its
/// error is for people. An error of ours names the line.
template <class Condition, class TakeCondition>
std::expected<std::vector<Rule<Condition>>, std::string> parse_rules(std::string_view text,
                                                                     const TakeCondition& take_condition) {
    using Kind = typename Rule<Condition>::Kind;
    std::vector<Rule<Condition>> out;
    int depth = 0;
    for (const auto& logical : config::logical_lines(text)) {
        const auto wrong = [&logical](std::string_view what) {
            return std::unexpected(fmt::format("line {}: {}", logical.line, what));
        };
        std::string_view line = logical.text;
        Rule<Condition> rule;
        if (base::iequals(line.substr(0, line.find_first_of(" \t")), "endif")) {
            if (--depth < 0) return wrong("endif without if");
            rule.kind = Kind::EndIf;
            out.push_back(std::move(rule));
            continue;
        }
        if (base::istarts_with(line, "if") && line.size() > 2 && !base::is_alnum(line[2])) {
            rule.kind = Kind::If;
            line = base::trim(line.substr(2));
            ++depth;
        }
        if (line.starts_with('!')) {
            rule.negated = true;
            line = base::trim(line.substr(1));
        }
        auto condition = take_condition(line);
        if (!condition) return wrong(condition.error());
        rule.condition = std::move(*condition);
        rule.value = base::trim(line);
        if (rule.kind == Kind::Match && rule.value.empty()) return wrong("no value");
        out.push_back(std::move(rule));
    }
    if (depth != 0) return std::unexpected("if without endif");
    return out;
}

/// The first rule that applies; nullptr: none. `matches` is asked about conditions, in order, and not about
/// those in a block that does not apply.
template <class Condition, class Matches>
const Rule<Condition>* first_match(const std::vector<Rule<Condition>>& rules, const Matches& matches) {
    using Kind = typename Rule<Condition>::Kind;
    int skipping = 0;  // how many blocks must end before rules count again
    for (const auto& rule : rules) {
        if (rule.kind == Kind::EndIf) {
            if (skipping > 0) --skipping;
        } else if (skipping > 0) {
            if (rule.kind == Kind::If) ++skipping;
        } else if (matches(rule.condition) != rule.negated) {
            if (rule.kind == Kind::Match) return &rule;
        } else if (rule.kind == Kind::If) {
            skipping = 1;
        }
    }
    return nullptr;
}

}  // namespace tables
