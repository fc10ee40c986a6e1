#include "mail/header_filter.hpp"

#include "mail/address_field.hpp"

#include <gtest/gtest.h>

namespace mail {
namespace {

std::string filtered(std::string_view message, std::size_t step) {
    HeaderFilter filter({"bcc", "Return-Path"}, {"From"},
                        [](std::string_view field) { return "[" + std::string(field) + "]"; });
    std::string out;
    for (std::size_t i = 0; i < message.size(); i += step) filter.feed(message.substr(i, step), out);
    filter.end(out);
    return out;
}

TEST(HeaderFilter, DropsAndHoldsInAnyPieces) {
    struct Case {
        std::string_view in, out;
    };
    for (const auto& [in, out] :
         {Case{"To: a\r\nBcc: b,\r\n c\r\n\td\r\nSubject: x\r\n\r\nBcc: body\r\n",
               "To: a\r\nSubject: x\r\n\r\nBcc: body\r\n"},
          Case{"BCC : b\r\nRETURN-PATH: <x>\r\n\r\n", "\r\n"},
          Case{"Bcc-Not: b\r\nXBcc: b\r\n\r\n", "Bcc-Not: b\r\nXBcc: b\r\n\r\n"},
          Case{"From: a\r\n b\r\nFrom: c\r\n\r\nFrom: d\r\n",
               "[From: a\r\n b\r\n][From: c\r\n]\r\nFrom: d\r\n"},
          Case{"From: a\r\n", "[From: a\r\n]"}, Case{"From: a", "[From: a]"},
          Case{"Bcc: a\r\nno field\r\nBcc: b\r\n", "no field\r\nBcc: b\r\n"},
          Case{"Bcc: a\nX: b\n\nBcc: c\n", "X: b\n\nBcc: c\n"}, Case{"\r\nBcc: c\r\n", "\r\nBcc: c\r\n"},
          Case{" Bcc: lone\r\nX: y\r\n\r\n", " Bcc: lone\r\nX: y\r\n\r\n"}, Case{"", ""}, Case{"Bcc", "Bcc"},
          Case{"Bcc:", ""}, Case{"Bcc: x\r\n y", ""}})
        for (const std::size_t step : {1U, 2U, 3U, 7U, 1000U}) EXPECT_EQ(filtered(in, step), out) << in;
}

TEST(HeaderFilter, MemoryIsBounded) {
    const std::string longest = "From: " + std::string(HeaderFilter::held_octets_max + 10, 'x') + "\r\n\r\n";
    EXPECT_EQ(filtered(longest, 4096), longest);
    const std::string name = std::string(100000, 'n') + ": x\r\nBcc: y\r\n";
    EXPECT_EQ(filtered(name, 4096), name);  // a line without a name: the body has begun
}

TEST(HeaderFilter, SaysWhatItCouldNotRead) {
    const auto unreadable = [](std::string_view message) {
        HeaderFilter filter({}, {"From"}, [](std::string_view field) { return std::string(field); });
        std::string out;
        filter.feed(message, out);
        filter.end(out);
        EXPECT_EQ(out, message);
        return filter.unreadable();
    };
    EXPECT_FALSE(unreadable("From: a\r\n\r\nbody\r\n"));
    EXPECT_FALSE(unreadable("From: a\n\nbody\n"));
    EXPECT_FALSE(unreadable("From: a\r\n"));
    EXPECT_TRUE(unreadable("From: a\r\nno field\r\nFrom: b\r\n\r\n"));
    EXPECT_TRUE(unreadable(std::string_view("X\0: a\r\nFrom: b\r\n\r\n", 18)));
    EXPECT_TRUE(unreadable("From: " + std::string(HeaderFilter::held_octets_max, 'x') + "\r\n\r\n"));
}

TEST(QualifyAddresses, OnlyWhereADomainIsMissing) {
    struct Case {
        std::string_view in, out;
    };
    for (const auto& [in, out] :
         {Case{"From: ann\r\n", "From: ann@x.y\r\n"},
          Case{"From: Ann Example <ann>\r\n", "From: Ann Example <ann@x.y>\r\n"},
          Case{"From: ann (Ann: the, one)\r\n", "From: ann@x.y (Ann: the, one)\r\n"},
          Case{"To: \"a, b\" <a>, bob@z, carl ,\r\n d\r\n",
               "To: \"a, b\" <a@x.y>, bob@z, carl@x.y ,\r\n d@x.y\r\n"},
          Case{"To: team: ann, bob@z;\r\n", "To: team: ann@x.y, bob@z;\r\n"},
          Case{"To: undisclosed-recipients:;\r\n", "To: undisclosed-recipients:;\r\n"},
          Case{"To: \"ann b\"\r\n", "To: \"ann b\"@x.y\r\n"},
          Case{"To: \"a@b\" <ann>\r\n", "To: \"a@b\" <ann@x.y>\r\n"},
          Case{"To: Ann Example\r\n", "To: Ann Example\r\n"},
          Case{"To: <>, <@r:u@h>, < ann >\r\n", "To: <>, <@r:u@h>, < ann@x.y >\r\n"},
          Case{"To: (only \\) a comment)\r\n", "To: (only \\) a comment)\r\n"},
          Case{"To: <ann\r\n", "To: <ann\r\n"}, Case{"To: \"open\r\n", "To: \"open\r\n"},
          Case{"To: ann@[IPv6:::1], bob\r\n", "To: ann@[IPv6:::1], bob@x.y\r\n"}, Case{"To:\r\n", "To:\r\n"},
          Case{"To", "To"}})
        EXPECT_EQ(qualify_addresses(in, "x.y"), out) << in;
}

}  // namespace
}  // namespace mail
