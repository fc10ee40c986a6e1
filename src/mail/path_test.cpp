#include "mail/path.hpp"

#include <gtest/gtest.h>

namespace mail {
namespace {

constexpr PathOptions tolerant{PathOptions::Utf8::Refuse, PathOptions::Form::Tolerant};
constexpr PathOptions utf8{PathOptions::Utf8::Allow, PathOptions::Form::Strict};

TEST(ForwardPath, TakesTheGrammarOfRfc5321) {
    struct Case {
        const char* text;
        const char* local_part;
        const char* domain;
    };
    for (const auto& [text, local_part, domain] : {
             Case{"<ann@example.org>", "ann", "example.org"},
             Case{"<Ann.Lee+tag@Example.ORG>", "Ann.Lee+tag", "Example.ORG"},
             Case{"<\"a b\"@example.org>", "a b", "example.org"},
             Case{"<\"a\\\"b\"@example.org>", "a\"b", "example.org"},
             Case{"<\"a@b\"@example.org>", "a@b", "example.org"},
             Case{"<ann@[192.0.2.1]>", "ann", "[192.0.2.1]"},
             Case{"<ann@[IPv6:2001:db8::1]>", "ann", "[IPv6:2001:db8::1]"},
             Case{"<@a.example,@b.example:ann@example.org>", "ann", "example.org"},
             Case{"<!#$%&'*+-/=?^_`{|}~@example.org>", "!#$%&'*+-/=?^_`{|}~", "example.org"},
         }) {
        const auto path = parse_forward_path(text);
        ASSERT_TRUE(path) << text;
        EXPECT_EQ(path->address.local_part, local_part) << text;
        EXPECT_EQ(path->address.domain, domain) << text;
    }
}

TEST(ForwardPath, RefusesWhatIsNoPath) {
    for (const auto* text :
         {"", "<", "<>", "<ann", "ann@example.org>", "<ann@example.org", "<ann@@example.org>",
          "<@example.org>", "<ann@>", "<a b@example.org>", "<ann@exa mple.org>", "<ann@example.org> x",
          "<\"ann@example.org>", "<ann@[192.0.2.1>", "<ann@-example.org\r>", "<ann\n@example.org>",
          "<.ann@example.org>", "<ann.@example.org>", "<a..b@example.org>"})
        EXPECT_FALSE(parse_forward_path(text)) << text;
}

TEST(ForwardPath, LimitsOfRfc5321Section4531) {
    EXPECT_TRUE(parse_forward_path("<" + std::string(64, 'a') + "@example.org>"));
    EXPECT_EQ(parse_forward_path("<" + std::string(65, 'a') + "@example.org>").error(),
              PathError::LocalPartTooLong);
    EXPECT_FALSE(parse_forward_path("<a@" + std::string(300, 'b') + ".example>"));
}

TEST(ForwardPath, PostmasterNeedsNoDomain) {
    const auto path = parse_forward_path("<Postmaster>");
    ASSERT_TRUE(path);
    EXPECT_TRUE(path->is_bare_postmaster);
}

TEST(ReversePath, MayBeNull) {
    ASSERT_TRUE(parse_reverse_path("<>"));
    EXPECT_TRUE(parse_reverse_path("<>")->is_null());
    EXPECT_EQ(parse_reverse_path("<ann@example.org>")->text(), "ann@example.org");
}

TEST(Path, TolerantFormTakesWhatPostfixTakes) {
    EXPECT_TRUE(parse_forward_path("ann@example.org", tolerant));
    EXPECT_EQ(parse_forward_path("<ann>", tolerant)->address.domain, "");
    EXPECT_FALSE(parse_forward_path("<ann@example.org", tolerant));
    EXPECT_FALSE(parse_forward_path("ann\rx@example.org", tolerant));
}

TEST(Path, Utf8OnlyWhereItWasAskedFor) {
    EXPECT_EQ(parse_forward_path("<gr\xc3\xbc\xc3\x9f@example.org>").error(), PathError::NonAscii);
    EXPECT_TRUE(parse_forward_path("<gr\xc3\xbc\xc3\x9f@example.org>", utf8));
    EXPECT_FALSE(parse_forward_path("<gr\xfc\xdf@example.org>", utf8));  // Latin-1 is not UTF-8
}

TEST(Path, TextQuotesWhatNeedsQuotes) {
    for (const auto* text : {"ann@example.org", "\"a b\"@example.org", "\"a\\\"b\"@example.org",
                             "\"a@b\"@example.org", "\".ann\"@example.org", "\"\"@example.org"})
        EXPECT_EQ(parse_forward_path(std::string("<") + text + ">").value().address.text(), text);
}

TEST(Path, LengthStopsAtTheClosingBracketOutsideQuotes) {
    EXPECT_EQ(path_length("<ann@example.org> SIZE=1"), 17);
    EXPECT_EQ(path_length("<\"a> b\"@example.org> X"), 20);
    EXPECT_EQ(path_length("ann@example.org SIZE=1"), 15);
}

}  // namespace
}  // namespace mail
