#include "smtp/server_offer.hpp"

#include <gtest/gtest.h>

namespace smtp {
namespace {

TEST(ServerOffer, WhatIsUsedOfTheReplyToEhlo) {
    const Reply reply{250,
                      {"mx.example PIPELINING", "size 1000", "AUTH PLAIN LOGIN", "AUTH=X-OLD", "Dsn", "",
                       "8BITMIME ", "SMTPUTF8X", "CHUNKING", "X-MORE a b"}};
    const auto offer = read_offer(reply);
    EXPECT_TRUE(offer.size && offer.dsn && offer.eight_bit && offer.chunking);
    EXPECT_FALSE(offer.pipelining) << "the first line is a greeting";
    EXPECT_FALSE(offer.smtputf8 || offer.start_tls || offer.binary);
    EXPECT_EQ(offer.size_limit, 1000U);
    EXPECT_EQ(offer.mechanisms, (std::vector<std::string>{"PLAIN", "LOGIN", "X-OLD"}));
    const auto all = offered_extensions(reply);
    ASSERT_EQ(all.size(), 8U);
    EXPECT_EQ(all.back().keyword, "X-MORE");
    EXPECT_EQ(all.back().parameters, (std::vector<std::string>{"a", "b"}));
    const auto less = read_offer(reply, {"dsn", "AUTH"});
    EXPECT_FALSE(less.dsn);
    EXPECT_TRUE(less.mechanisms.empty() && less.size);
    for (const auto* odd : {"SIZE", "SIZE x", "SIZE -1", "SIZE 99999999999999999999"})
        EXPECT_EQ(read_offer({250, {"mx", odd}}).size_limit, 0U) << odd;
    EXPECT_TRUE(offered_extensions({250, {"mx.example"}}).empty());
}

}  // namespace
}  // namespace smtp
