#include "smtp/reply_lines.hpp"

#include "base/text.hpp"

#include <gtest/gtest.h>

namespace smtp {
namespace {

TEST(ReplyLines, WholeCleanAndNotTooLong) {
    EXPECT_EQ(reply_lines({250, {2, 0, 0}, "Ok"}), "250 2.0.0 Ok\r\n");
    EXPECT_EQ(reply_lines({354, {}, "End data"}), "354 End data\r\n");
    EXPECT_EQ(reply_lines({550, {5, 7, 2}, ""}), "550 5.7.2 \r\n");
    EXPECT_EQ(reply_lines({550, {5, 7, 1}, "a\rb\n250 c\x1b\x7f"}), "550 5.7.1 a?b?250 c??\r\n");
    std::string words;
    for (int i = 0; i < 300; ++i) words += "word ";
    for (const auto& text : {words, std::string(2000, 'x'), std::string(100'000, 'x')}) {
        const auto out = reply_lines({550, {5, 7, 1}, text});
        const auto lines = base::split(out, '\n');
        ASSERT_GT(lines.size(), 3U);
        EXPECT_LE(lines.size(), 10U);
        for (std::size_t i = 0; i + 1 < lines.size(); ++i) {
            EXPECT_LE(lines[i].size(), 511U);
            EXPECT_TRUE(lines[i].starts_with(i + 2 < lines.size() ? "550-5.7.1 " : "550 5.7.1 ")) << lines[i];
        }
        EXPECT_TRUE(lines.back().empty());
    }
    EXPECT_TRUE(reply_lines({550, {5, 7, 1}, std::string(100'000, 'x')}).ends_with("...\r\n"));
    // No character is cut in two.
    std::string umlauts;
    for (int i = 0; i < 1000; ++i) umlauts += "\xc3\xa4";
    for (const auto line : base::split(reply_lines({550, {5, 7, 1}, "x" + umlauts}), '\n'))
        EXPECT_TRUE(base::is_utf8(line));
}

}  // namespace
}  // namespace smtp
