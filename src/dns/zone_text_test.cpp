#include "dns/zone_text.hpp"

#include <gtest/gtest.h>

namespace dns {
namespace {

TEST(ZoneText, Records) {
    EXPECT_EQ(std::get<Mx>(parse_zone_line("example.org. 3600 IN MX 10 mail.example.org.")->record),
              (Mx{10, *Name::parse("mail.example.org")}));
    EXPECT_TRUE(std::get<Mx>(parse_zone_line("example.org MX 0 .")->record).exchange.is_root());
    EXPECT_EQ(std::get<Txt>(parse_zone_line("a.example TXT \"v=spf1 \" \"-all; \\\"q\\\"\" ; note")->record),
              (Txt{{"v=spf1 ", "-all; \"q\""}}));
    EXPECT_EQ(std::get<A>(parse_zone_line("a.example IN A 192.0.2.1")->record).address[3], 1);
    const auto aaaa = std::get<Aaaa>(parse_zone_line("a.example AAAA 2001:db8::1:0:0:ff")->record).address;
    EXPECT_EQ(aaaa[0], 0x20);
    EXPECT_EQ(aaaa[15], 0xff);
    EXPECT_EQ(aaaa[9], 1);
    EXPECT_EQ(std::get<Aaaa>(parse_zone_line("a AAAA ::ffff:192.0.2.1")->record).address[12], 192);
    EXPECT_EQ(std::get<Tlsa>(parse_zone_line("_25._tcp.a TLSA 3 1 1 00ff 01")->record).data,
              std::string("\0\xff\x01", 3));
    EXPECT_EQ(std::get<Srv>(parse_zone_line("_s._tcp.a SRV 1 2 587 b.")->record).port, 587);
}

TEST(ZoneText, Refuses) {
    for (const char* line : {"", "a", "a.example A", "a.example A 1.2.3", "a.example A 1.2.3.256",
                             "a.example AAAA 1::2::3", "a.example AAAA 1:2:3:4:5:6:7", "a.example MX mail",
                             "a.example TXT \"open", "a.example WKS x", "a.example SRV 1 2 70000 b"})
        EXPECT_FALSE(parse_zone_line(line)) << line;
    EXPECT_FALSE(parse_zone_line(std::string_view("a.example A \"192.0.2.1\\000x\"")));  // an octet 0 inside
}

}  // namespace
}  // namespace dns
