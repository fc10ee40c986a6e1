#include "mail/address_list.hpp"

#include <gtest/gtest.h>

namespace mail {
namespace {

struct Entry {
    std::string address, name, comment, group;
    bool operator==(const Entry&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Entry& one) {
    return out << one.address << "|" << one.name << "|" << one.comment << "|" << one.group;
}

std::vector<Entry> entries(const AddressList& list) {
    std::vector<Entry> out;
    for (std::size_t i = 0; i < list.addresses.size(); ++i) {
        const auto& beside = list.beside[i];
        out.push_back({list.addresses[i].text(), display_name(beside.phrase), beside.comment,
                       beside.group ? display_name(list.groups[*beside.group]) : ""});
    }
    return out;
}

TEST(AddressList, NamesCommentsAndGroups) {
    struct Case {
        std::string_view text;
        std::vector<Entry> entries;
    };
    for (const auto& [text, wanted] : {
             Case{"Ann B. Doe <ann@a.test>", {{"ann@a.test", "Ann B. Doe", "", ""}}},
             {"\"Doe, \\\"Ann\\\"\" <ann@a.test>", {{"ann@a.test", "Doe, \"Ann\"", "", ""}}},
             {"ann@a.test (Ann (the first) \\) Doe)", {{"ann@a.test", "", "Ann (the first) ) Doe", ""}}},
             {"=?utf-8?q?Gr=C3=BC?= =?utf-8?q?n?= <a@b> (=?utf-8?q?=C3=A4?=)",
              {{"a@b", "Gr\xc3\xbcn", "\xc3\xa4", ""}}},
             // RFC 2047 §5: an encoded word is none within a quoted string.
             {"\"=?utf-8?q?x?=\" =?utf-8?q?y?= <a@b>", {{"a@b", "=?utf-8?q?x?= y", "", ""}}},
             {"\"two\r\n lines\"\r\n\there <a@b>", {{"a@b", "two lines here", "", ""}}},
             {"The team (all of it): ann@a, Bob <bob@a> ; carl@a",
              {{"ann@a", "", "", "The team"}, {"bob@a", "Bob", "", "The team"}, {"carl@a", "", "", ""}}},
             {"one: a@b; two: c@d;", {{"a@b", "", "", "one"}, {"c@d", "", "", "two"}}},
             {"ann @ a . test", {{"ann@a.test", "", "", ""}}},
         }) {
        const auto list = parse_address_list(text);
        EXPECT_EQ(entries(list), wanted) << text;
        EXPECT_TRUE(list.wrong.empty() && !list.unclosed && !list.wrong_at) << text;
    }
    const auto empty = parse_address_list("undisclosed recipients:;");
    EXPECT_TRUE(empty.addresses.empty());
    EXPECT_EQ(empty.groups, std::vector<std::string>{"undisclosed recipients"});
}

TEST(AddressList, ColonsOfALiteralAreNoGroup) {
    for (const std::string_view text :
         {"ann@[IPv6:2001:db8::1]", "Ann <ann@[IPv6:2001:db8::1]>", "ann @ [IPv6:2001:db8::1]"}) {
        const auto list = parse_address_list(text);
        ASSERT_EQ(list.addresses.size(), 1U) << text;
        EXPECT_EQ(list.addresses[0].domain, "[IPv6:2001:db8::1]");
        EXPECT_TRUE(list.groups.empty());
    }
    // What only looks like one hides nobody.
    const auto list = parse_address_list("x@[1:a@b, c@d");
    ASSERT_EQ(list.addresses.size(), 2U);
    EXPECT_EQ(list.addresses[0].text(), "a@b");
    EXPECT_EQ(literal_octets("[192.0.2.1]>"), 11U);
    for (const std::string_view none : {"", "[", "[1", "[a b]", "[a@b]", "[a,b]", "x[1]"})
        EXPECT_EQ(literal_octets(none), 0U) << none;
}

TEST(AddressList, SaysWhereItIsWrong) {
    const auto list = parse_address_list(" ann@a.test, Bob <no address>, <also wrong>");
    EXPECT_EQ(list.wrong.size(), 2U);
    EXPECT_EQ(list.wrong_at, 18U);
    EXPECT_EQ(parse_address_list("a@b (open").unclosed, 4U);
    EXPECT_EQ(parse_address_list("\"open <a@b>").unclosed, 0U);
}

}  // namespace
}  // namespace mail
