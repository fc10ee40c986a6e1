#include "mail/line_folder.hpp"

#include <gtest/gtest.h>

namespace mail {
namespace {

std::string folded(std::string_view text, std::size_t limit, std::size_t piece) {
    LineFolder folder(limit);
    std::string out;
    for (std::size_t i = 0; i < text.size(); i += piece)
        out += folder.fold(std::string(text.substr(i, piece)));
    return out + folder.finish();
}

struct Case {
    std::string_view text, expected;
};
// With a limit of 4. What Postfix 3.7 does with 998 was compared with a sink.
constexpr Case cases[] = {{"", ""},
                          {"abcd\r\n", "abcd\r\n"},
                          {"abcde\r\n", "abcd\r\n e\r\n"},
                          {"abcdefg\r\n", "abcd\r\n efg\r\n"},
                          {"abcdefgh\r\n", "abcd\r\n efg\r\n h\r\n"},
                          {"abcd\r\nabcd\r\n", "abcd\r\nabcd\r\n"},
                          {"abcd\rx\r\n", "abcd\r\n \rx\r\n"},
                          {"abcd\r", "abcd\r"},
                          {"abcd\r\r\n", "abcd\r\n \r\r\n"},
                          {"abcde", "abcd\r\n e"},
                          {"\r\n\r\nabcde\r\nx\r\n", "\r\n\r\nabcd\r\n e\r\nx\r\n"}};

TEST(LineFolder, BreaksWhatIsTooLong) {
    for (const auto& [text, expected] : cases)
        for (const std::size_t piece : {1, 2, 3, 5, 100}) {
            // A CR that ends the content is not known to be content: it is not broken off.
            EXPECT_EQ(folded(text, 4, piece), expected) << text << " in pieces of " << piece;
        }
}

TEST(LineFolder, SaysWhetherItDid) {
    LineFolder folder(998);
    EXPECT_EQ(folder.fold(std::string(998, 'x')).size(), 998U);
    EXPECT_FALSE(folder.folded());
    EXPECT_EQ(folder.fold("y\r\n"), "\r\n y\r\n");
    EXPECT_TRUE(folder.folded());
}

TEST(LineFolder, TheSmallestLimitEnds) {
    EXPECT_EQ(folded("abcd\r\n", LineFolder::limit_min, 100), "ab\r\n c\r\n d\r\n");
}

}  // namespace
}  // namespace mail
