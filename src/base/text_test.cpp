#include "base/text.hpp"

#include "base/base64.hpp"

#include <gtest/gtest.h>

namespace base {
namespace {

TEST(Text, NumbersAreDigitsWithinTheLimitAndNothingElse) {
    EXPECT_EQ(parse_number("0"), 0);
    EXPECT_EQ(parse_number("18446744073709551615"), UINT64_MAX);
    EXPECT_EQ(parse_number("599", 599), 599);
    for (const auto* wrong :
         {"", "-1", "+1", " 1", "1 ", "0x10", "1e3", "18446744073709551616", "99999999999999999999999"})
        EXPECT_EQ(parse_number(wrong), std::nullopt) << wrong;
    EXPECT_EQ(parse_number("600", 599), std::nullopt);
}

TEST(Text, Utf8IsWellFormedOrNot) {
    for (const auto* good : {"", "abc", "gr\xc3\xbc\xc3\x9f", "\xe2\x82\xac", "\xf0\x9f\x93\xa7"})
        EXPECT_TRUE(is_utf8(good)) << good;
    // overlong, lone continuation, surrogate, above U+10FFFF, cut short
    for (const auto* bad : {"\xc0\xaf", "\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\xff"})
        EXPECT_FALSE(is_utf8(bad));
}

TEST(Text, PrintableCannotForgeALine) {
    EXPECT_EQ(printable("a\r\nb\x1b[31m\x7f"), "a??b?[31m?");
    EXPECT_EQ(printable(std::string_view("\0x", 2)), "?x");
    EXPECT_EQ(printable("gr\xc3\xbc\xc3\x9f \xff"), "gr\xc3\xbc\xc3\x9f ?");
    EXPECT_LE(printable(std::string(5000, 'x'), 100).size(), 103);
}

TEST(Text, SplitKeepsEmptyPiecesAndSplitAnyDoesNot) {
    EXPECT_EQ(split("a,,b", ',').size(), 3);
    EXPECT_EQ(split("", ',').size(), 1);
    EXPECT_EQ(split_any(" a, ,b ", ", ").size(), 2);
    EXPECT_EQ(trim("\t a b \r\n"), "a b");
}

TEST(Base64, RoundTripAndStrictness) {
    std::string bytes;
    for (int i = 0; i < 256; ++i) {
        EXPECT_EQ(base64_decode(base64_encode(bytes)), bytes) << i;
        bytes += static_cast<char>(i);
    }
    EXPECT_EQ(base64_encode("foobar"), "Zm9vYmFy");  // RFC 4648 §10
    EXPECT_EQ(base64_encode("fooba"), "Zm9vYmE=");
    for (const auto* wrong : {"Zg", "Zg=", "Zg===", "Zh==", "Z g=", "Zm9v\n", "=", "Zm9v====", "Zm$v"})
        EXPECT_EQ(base64_decode(wrong), std::nullopt) << wrong;
}

}  // namespace
}  // namespace base
