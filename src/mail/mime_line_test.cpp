#include "mail/mime_line.hpp"

#include <gtest/gtest.h>

namespace mail {
namespace {

TEST(MimeLine, Delimiters) {
    struct Case {
        std::string_view line;
        Delimiter kind;
    };
    for (const auto& [line, kind] : {Case{"--b", Delimiter::NextPart},
                                     {"--b \t\r\n", Delimiter::NextPart},
                                     {"--b--", Delimiter::Last},
                                     {"--b-- \n", Delimiter::Last},
                                     {"--b--more", Delimiter::LastWithMore},
                                     {"--b --", Delimiter::None},
                                     {"--bb", Delimiter::None},
                                     {"--b-", Delimiter::None},
                                     {" --b", Delimiter::None},
                                     {"-b", Delimiter::None},
                                     {"", Delimiter::None}})
        EXPECT_EQ(delimiter_of(line, "--b"), kind) << line;
}

TEST(MimeLine, ADelimiterEndsWhatIsInside) {
    OpenMultiparts open(Delimiter::None), lenient(Delimiter::Last);
    for (const auto boundary : {"outer", "in", "outer-2"}) {
        open.open(boundary);
        lenient.open(boundary);
    }
    struct Case {
        std::string_view line;
        Delimiter kind;
        std::size_t still_open;
    };
    for (const auto& [line, kind, still_open] : {Case{"--outer", Delimiter::NextPart, 1},
                                                 {"--outer--\r\n", Delimiter::Last, 0},
                                                 {"--in\r\n", Delimiter::NextPart, 2},
                                                 {"--outer-2", Delimiter::NextPart, 3},
                                                 {"--outer-2--", Delimiter::Last, 2},
                                                 {"--in--x", Delimiter::None, 0},
                                                 {"text", Delimiter::None, 0}}) {
        EXPECT_EQ(open.find(line).kind, kind) << line;
        EXPECT_EQ(open.find(line).still_open, still_open) << line;
    }
    EXPECT_EQ(lenient.find("--in--x").kind, Delimiter::Last);
    open.keep(1);
    EXPECT_EQ(open.count(), 1U);
    EXPECT_EQ(open.find("--in").kind, Delimiter::None);
}

TEST(MimeLine, FieldNames) {
    for (const auto& [line, name] : {std::pair{"Subject: x", "Subject"},
                                     {"To \t: x", "To"},
                                     {"no field", ""},
                                     {" To: x", ""},
                                     {"a b: x", ""},
                                     {": x", ""},
                                     {"T\xc3\xb6: x", ""},
                                     {"", ""}})
        EXPECT_EQ(field_name(line), name) << line;
}

}  // namespace
}  // namespace mail
