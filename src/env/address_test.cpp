#include "env/network.hpp"

#include <gtest/gtest.h>

namespace env {
namespace {

TEST(IpAddress, TextBothWays) {
    const std::pair<const char*, const char*> cases[] = {{"192.0.2.1", "192.0.2.1"},
                                                         {"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
                                                         {"::", "::"},
                                                         {"::ffff:192.0.2.1", "192.0.2.1"},
                                                         {"1:0:0:2:0:0:0:3", "1:0:0:2::3"}};
    for (const auto& [in, out] : cases) EXPECT_EQ(IpAddress::parse(in)->text(), out);
    for (const auto* wrong : {"", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.04x",
                              "::1::", "1:2:3:4:5:6:7:8:9", "fe80::1%eth0", "[::1]", "1.2.3.4/8", " 1.2.3.4"})
        EXPECT_FALSE(IpAddress::parse(wrong)) << wrong;
}

TEST(IpAddress, ReverseNames) {
    const auto v4 = *IpAddress::parse("192.0.2.1");
    EXPECT_EQ(v4.reversed(), "1.2.0.192");
    EXPECT_EQ(v4.pointer_name(), "1.2.0.192.in-addr.arpa");
    const auto v6 = *IpAddress::parse("2001:db8::567:89ab");  // RFC 5782 §2.4 and RFC 3596 §2.5 order
    EXPECT_EQ(v6.reversed(), "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2");
    EXPECT_EQ(v6.pointer_name(), v6.reversed() + ".ip6.arpa");
}

TEST(IpAddress, Networks) {
    const auto inside = [](const char* address, const char* network, unsigned prefix) {
        return IpAddress::parse(address)->in_network(*IpAddress::parse(network), prefix);
    };
    EXPECT_TRUE(inside("10.1.2.3", "10.0.0.0", 8));
    EXPECT_FALSE(inside("11.1.2.3", "10.0.0.0", 8));
    EXPECT_TRUE(inside("192.0.2.129", "192.0.2.128", 25));
    EXPECT_FALSE(inside("192.0.2.127", "192.0.2.128", 25));
    EXPECT_TRUE(inside("2001:db8::1", "2001:db8::", 32));
    EXPECT_FALSE(inside("::1", "127.0.0.1", 0));
    EXPECT_TRUE(inside("1.2.3.4", "0.0.0.0", 0));
}

}  // namespace
}  // namespace env
