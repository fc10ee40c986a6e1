#include "dns/name.hpp"

#include <gtest/gtest.h>

namespace dns {
namespace {

TEST(Name, LimitsAndForms) {
    EXPECT_EQ(Name::parse("Mail.Example.COM.")->text(), "mail.example.com");
    EXPECT_TRUE(Name::parse(".")->is_root());
    EXPECT_EQ(Name::parse("_dmarc.example.com")->labels().size(), 3);
    EXPECT_TRUE(Name::parse(std::string(63, 'a') + ".example"));
    for (const auto& wrong : {std::string("a..b"), std::string(".a"), std::string(64, 'a') + ".example",
                              std::string("a b"), std::string("a\nb"), std::string("\xc3\xbc.example")})
        EXPECT_FALSE(Name::parse(wrong)) << wrong;
    std::string longest;
    while (longest.size() < 254) longest += "abcdefgh.";
    EXPECT_FALSE(Name::parse(longest));
}

TEST(Name, Relations) {
    const auto name = *Name::parse("a.b.example.org");
    EXPECT_EQ(name.parent().text(), "b.example.org");
    EXPECT_TRUE(name.is_within(*Name::parse("example.org")));
    EXPECT_TRUE(name.is_within(name));
    EXPECT_FALSE(name.is_within(*Name::parse("ample.org")));
    EXPECT_EQ(name.prepend("_x")->text(), "_x.a.b.example.org");
    EXPECT_FALSE(name.prepend(std::string(64, 'x')));
}

}  // namespace
}  // namespace dns
