#include "mail/field_reader.hpp"

#include <gtest/gtest.h>

namespace mail {
namespace {

/// The fields that were read, each in brackets.
std::string fields_of(std::string_view message, std::size_t step) {
    std::string out;
    FieldReader reader({"From", "sender"},
                       [&](std::string_view field) { out += "[" + std::string(field) + "]"; });
    for (std::size_t i = 0; i < message.size(); i += step) reader.feed(message.substr(i, step));
    reader.end();
    return out;
}

TEST(FieldReader, ReadsWholeFieldsInAnyPieces) {
    struct Case {
        std::string_view in, out;
    };
    for (const auto& [in, out] :
         {Case{"To: a\r\nSender: b,\r\n c\r\n\td\r\nSubject: x\r\n\r\nSender: body\r\n",
               "[Sender: b,\r\n c\r\n\td\r\n]"},
          Case{"SENDER : b\r\nfrom: <x>\r\n\r\n", "[SENDER : b\r\n][from: <x>\r\n]"},
          Case{"From-Not: b\r\nXFrom: b\r\n\r\n", ""},
          Case{"From: a\r\n b\r\nFrom: c\r\n\r\nFrom: d\r\n", "[From: a\r\n b\r\n][From: c\r\n]"},
          Case{"From: a\r\n", "[From: a\r\n]"}, Case{"From: a", "[From: a]"}, Case{"From:", "[From:]"},
          Case{"From: x\r\n y", "[From: x\r\n y]"},
          Case{"From: a\r\nno field\r\nFrom: b\r\n", "[From: a\r\n]"},
          Case{"From: a\nX: b\n\nFrom: c\n", "[From: a\n]"}, Case{"\r\nFrom: c\r\n", ""},
          Case{" From: lone\r\nX: y\r\n\r\n", ""}, Case{"", ""}, Case{"From", ""}})
        for (const std::size_t step : {1U, 2U, 3U, 7U, 1000U}) EXPECT_EQ(fields_of(in, step), out) << in;
}

TEST(FieldReader, MemoryIsBounded) {
    const std::string longest = "From: " + std::string(FieldReader::held_octets_max + 10, 'x') + "\r\n";
    EXPECT_EQ(fields_of(longest + "From: a\r\n\r\n", 4096), "[From: a\r\n]");
    const std::string name = std::string(100000, 'n') + ": x\r\nFrom: y\r\n";
    EXPECT_EQ(fields_of(name, 4096), "");  // a line without a name: the body has begun
}

TEST(FieldReader, SaysWhatItCouldNotRead) {
    const auto unreadable = [](std::string_view message) {
        FieldReader reader({"From"}, [](std::string_view) {});
        reader.feed(message);
        reader.end();
        return reader.unreadable();
    };
    EXPECT_FALSE(unreadable("From: a\r\n\r\nbody\r\n"));
    EXPECT_FALSE(unreadable("From: a\n\nbody\n"));
    EXPECT_FALSE(unreadable("From: a\r\n"));
    EXPECT_TRUE(unreadable("From: a\r\nno field\r\nFrom: b\r\n\r\n"));
    EXPECT_TRUE(unreadable(std::string_view("X\0: a\r\nFrom: b\r\n\r\n", 18)));
    EXPECT_TRUE(unreadable("From: " + std::string(FieldReader::held_octets_max, 'x') + "\r\n\r\n"));
}

}  // namespace
}  // namespace mail
