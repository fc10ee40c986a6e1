// Rules of pcre: and cidr: tables: blocks, negation, continuation, errors with their line.
#include "tables/rules.hpp"

#include <gtest/gtest.h>

namespace tables {
namespace {

/// A condition that is one letter: it matches subjects that hold it.
std::expected<char, std::string> take_letter(std::string_view& line) {
    if (line.empty() || !base::is_alpha(line.front())) return std::unexpected("no letter");
    const char letter = line.front();
    line.remove_prefix(1);
    return letter;
}

std::string look_up(std::string_view text, std::string_view subject) {
    const auto rules = parse_rules<char>(text, take_letter);
    if (!rules) return "error: " + rules.error();
    const auto* rule =
        first_match(*rules, [&](char letter) { return subject.find(letter) != std::string_view::npos; });
    return rule ? rule->value : "none";
}

TEST(Rules, BlocksNegationAndOrder) {
    constexpr const char* nested =
        "if a\n"
        "b  a and b\n"
        "if !c\n"
        "d\ta and d\n  without c\n"
        "# a comment\n"
        "endif\n"
        "e a and e\n"
        "ENDIF\n"
        "if b\n"
        "a never: the first rule was before\n"
        "endif\n"
        "!z neither\n";
    const std::pair<const char*, const char*> cases[] = {
        {"ab", "a and b"},  {"ad", "a and d without c"},
        {"adc", "neither"}, {"ace", "a and e"},
        {"ae", "a and e"},  {"d", "neither"},
        {"be", "neither"},  {"z", "none"},
    };
    for (const auto& [subject, value] : cases) EXPECT_EQ(look_up(nested, subject), value) << subject;
}

TEST(Rules, ErrorsNameTheLine) {
    const std::pair<const char*, const char*> cases[] = {
        {"a x\n\n1 y\n", "error: line 3: no letter"},
        {"endif\n", "error: line 1: endif without if"},
        {"if a\nb x\n", "error: if without endif"},
        {"# c\na\n", "error: line 2: no value"},
        {"", "none"},
    };
    for (const auto& [text, said] : cases) EXPECT_EQ(look_up(text, "q"), said) << text;
}

}  // namespace
}  // namespace tables
