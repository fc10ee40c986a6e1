#include "smtp/reject_footer.hpp"

#include <gtest/gtest.h>

namespace smtp {
namespace {

TEST(RejectFooter, StandsBehindRefusalsOnly) {
    struct Case {
        std::string_view replies, footer, out;
    };
    for (const auto& [replies, footer, out] :
         {Case{"250 2.1.0 Ok\r\n", "call us", "250 2.1.0 Ok\r\n"},
          Case{"554 5.7.1 <a>: no\r\n", "call us", "554-5.7.1 <a>: no\r\n554 5.7.1 call us\r\n"},
          Case{"554 5.7.1 no\r\n", "\\c; call us", "554 5.7.1 no; call us\r\n"},
          Case{"501 Syntax\r\n", "a\\nb", "501-Syntax\r\n501-a\r\n501 b\r\n"},
          Case{"554 5.7.1 no\r\n", "\\c x\\ny", "554-5.7.1 no x\r\n554 5.7.1 y\r\n"},
          Case{"500 5.5.2 bad\r\n421 4.7.0 gone\r\n", "z",
               "500-5.5.2 bad\r\n500 5.5.2 z\r\n421-4.7.0 gone\r\n421 4.7.0 z\r\n"}})
        EXPECT_EQ(with_footer(replies, footer), out);
}

TEST(RejectFooter, ExpandsNamesHarmlessly) {
    const FooterValues values{{"client_address", "192.0.2.1"}, {"sender", "a\r\n250 b"}};
    for (const auto& [text, out] : std::vector<std::pair<std::string_view, std::string_view>>{
             {"($client_address)", "(192.0.2.1)"},
             {"${client_address}$(client_address)x", "192.0.2.1192.0.2.1x"},
             {"$sender", "a__250 b"},
             {"$nothing.$", "."},
             {"${client_address", "192.0.2.1"}})
        EXPECT_EQ(expand_footer(text, values), out) << text;
}

}  // namespace
}  // namespace smtp
