#include "mail/date.hpp"

#include <gtest/gtest.h>

namespace mail {
namespace {

TEST(Date, Reads) {
    struct Case {
        std::string_view text, same;
        bool zone_unknown = false;
    };
    for (const auto& [text, same, unknown] : {
             Case{"Mon, 23 Nov 2026 20:05:13 +0100", "Mon, 23 Nov 2026 20:05:13 +0100"},
             {"23 Nov 2026 20:05 -0330", "Mon, 23 Nov 2026 20:05:00 -0330"},
             {" mon , 23 nov\r\n 2026 20 : 05:13 (a (b) \\)) +0000 (x)\r\n",
              "Mon, 23 Nov 2026 20:05:13 +0000"},
             {"1 Jan 70 00:00:00 GMT", "Thu, 1 Jan 1970 00:00:00 +0000"},
             {"1 Jan 49 00:00:00 EST", "Fri, 1 Jan 2049 00:00:00 -0500"},
             {"1 Jan 126 00:00:00 UT", "Thu, 1 Jan 2026 00:00:00 +0000"},
             {"1 Jan 2026 00:00:00 -0000", "Thu, 1 Jan 2026 00:00:00 +0000", true},
             {"1 Jan 2026 00:00:00 CEST", "Thu, 1 Jan 2026 00:00:00 +0000", true},
             {"Fri, 1 Jan 2026 00:00:00 +0000", "Thu, 1 Jan 2026 00:00:00 +0000"},
             {"31 Dec 2016 23:59:60 +0000", "Sun, 1 Jan 2017 00:00:00 +0000"},
             {"31 Dec 9999 23:59:59 -1200", "Fri, 31 Dec 9999 23:59:59 -1200"},
             {"1 Jan 1900 00:00:00 +1200", "Mon, 1 Jan 1900 00:00:00 +1200"},
             {"29 Feb 2024 12:00:00 +0000", "Thu, 29 Feb 2024 12:00:00 +0000"},
         }) {
        const auto got = parse_date(text);
        ASSERT_TRUE(got.has_value()) << text << ": " << got.error().why;
        EXPECT_EQ(format_date(got->at, got->zone_offset), same) << text;
        EXPECT_EQ(got->zone_unknown, unknown) << text;
    }
}

TEST(Date, SaysWhereItIsNone) {
    struct Case {
        std::string_view text;
        std::size_t position;
    };
    for (const auto& [text, position] : {
             Case{"", 0},
             {"Mon 23 Nov 2026 20:05:13 +0100", 4},
             {"Foo, 23 Nov 2026 20:05:13 +0100", 0},
             {"32 Nov 2026 20:05:13 +0100", 0},
             {"31 Nov 2026 20:05:13 +0100", 7},
             {"29 Feb 2025 20:05:13 +0100", 7},
             {"23 11 2026 20:05:13 +0100", 3},
             {"23 Nov 20266 20:05:13 +0100", 7},
             {"23 Nov 1899 20:05:13 +0100", 7},
             {"23 Nov 2026 24:05:13 +0100", 12},
             {"23 Nov 2026 2005 +0100", 12},
             {"23 Nov 2026 20:05:61 +0100", 18},
             {"23 Nov 2026 20:05:13", 20},
             {"23 Nov 2026 20:05:13 +01", 22},
             {"23 Nov 2026 20:05:13 +0199", 21},
             {"23 Nov 2026 20:05:13 +0100 x", 27},
             {"23 Nov 2026 (open 20:05:13 +0100", 12},
             {"31 Dec 9999 23:59:60 +0000", 26},
             {"23 Nov\nX: 2026 20:05:13 +0100", 6},
         }) {
        const auto got = parse_date(text);
        ASSERT_FALSE(got.has_value()) << text;
        EXPECT_EQ(got.error().position, position) << text << ": " << got.error().why;
    }
}

}  // namespace
}  // namespace mail
