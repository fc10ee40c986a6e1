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
