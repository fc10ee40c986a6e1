#include "dns/rdata.hpp"

#include <gtest/gtest.h>

namespace dns {
namespace {

using namespace std::string_literals;

TEST(Rdata, DecodesWhatIsWhole) {
    EXPECT_EQ(std::get<A>(*decode_rdata(Type::A, "\xc0\x00\x02\x01"s)).address[3], 1);
    EXPECT_EQ(std::get<Mx>(*decode_rdata(Type::Mx,
                                         "\x00\x0a\x04mail\x07"
                                         "example\x00"s)),
              (Mx{10, *Name::parse("mail.example")}));
    EXPECT_TRUE(std::get<Mx>(*decode_rdata(Type::Mx, "\x00\x00\x00"s)).exchange.is_root());
    EXPECT_EQ(std::get<Txt>(*decode_rdata(Type::Txt,
                                          "\x03"
                                          "abc\x00\x01"
                                          "d"s)),
              (Txt{{"abc", "", "d"}}));
    EXPECT_EQ(std::get<Srv>(*decode_rdata(Type::Srv, "\0\1\0\2\0\x19\1a\0"s)).port, 25);
    EXPECT_EQ(std::get<Tlsa>(*decode_rdata(Type::Tlsa, "\3\1\1xyz"s)).data, "xyz");
    EXPECT_EQ(
        std::get<Soa>(*decode_rdata(Type::Soa, "\0\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5"s)).minimum, 5U);
}

TEST(Rdata, RefusesTheRest) {
    const std::pair<Type, std::string> cases[] = {
        {Type::A, "abc"},         {Type::A, "abcde"},        {Type::Aaaa, "abcd"},
        {Type::Mx, "\0"s},        {Type::Mx, "\0\1\4mail"s}, {Type::Mx, "\0\1\xc0\x0c"s},
        {Type::Mx, "\0\1\0x"s},   {Type::Txt, ""},           {Type::Txt, "\5abc"},
        {Type::Ptr, "\3a b\0"s},  {Type::Ptr, "\3a.b\0"s},   {Type::Soa, "\0\0\0\0\0\1"s},
        {Type::Srv, "\0\1\0\2"s}, {Type::Tlsa, "\3\1"}};
    for (const auto& [type, octets] : cases) EXPECT_FALSE(decode_rdata(type, octets)) << octets;
}

}  // namespace
}  // namespace dns
