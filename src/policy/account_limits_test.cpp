#include "policy/account_limits.hpp"

#include <gtest/gtest.h>

namespace policy {
namespace {

using Unit = AccountLimits::Unit;
constexpr std::uint64_t hour = 3600, day = 24 * hour;
constexpr std::uint64_t midnight = 20000 * day;

void send(AccountLimits& limits, const std::string& account, std::uint32_t recipients, std::uint64_t now) {
    limits.settle(account, recipients, {}, now);
}

TEST(AccountRule, Reads) {
    const AccountRule otherwise{1, 2, 3, 4};
    struct Case {
        std::string_view text;
        AccountRule rule;
    };
    for (const auto& [text, rule] :
         {Case{"message_hour=50", {50, 2, 3, 4}}, Case{"recipient_day=7, Message_Day=6", {1, 6, 3, 7}},
          Case{"unlimited", {}}, Case{"BLOCKED", {1, 2, 3, 4, true}},
          Case{"message_hour=0 recipient_hour=9", {0, 2, 9, 4}}})
        EXPECT_EQ(parse_account_rule(text, otherwise), rule) << text;
    for (const auto* text : {"", "50", "message_hour", "message_hour=", "message_hour=-1", "message_week=4",
                             "message_hour=99999999999", "blocked message_hour=1"})
        EXPECT_FALSE(parse_account_rule(text, otherwise)) << text;
}

TEST(AccountLimits, AnyHourSeesNoMoreThanTheLimit) {
    AccountLimits limits;
    const AccountRule rule{.message_hour = 3};
    std::vector<std::uint64_t> sent;
    for (std::uint64_t now = midnight; now < midnight + 5 * hour; now += 60) {
        if (limits.reserve("ann", Unit::Message, rule, now)) continue;
        send(limits, "ann", 1, now);
        sent.push_back(now);
    }
    ASSERT_GE(sent.size(), 12U);
    for (std::size_t i = 3; i < sent.size(); ++i) EXPECT_GE(sent[i] - sent[i - 3], hour);
}

TEST(AccountLimits, SaysWhenItIsFreeAgain) {
    AccountLimits limits;
    const AccountRule rule{.recipient_hour = 10, .recipient_day = 15};
    send(limits, "ann", 10, midnight + 30);
    auto over = limits.reserve("ann", Unit::Recipient, rule, midnight + 40);
    ASSERT_TRUE(over);
    EXPECT_EQ(over->period, AccountLimits::Period::Hour);
    EXPECT_EQ(over->limit, 10U);
    EXPECT_TRUE(limits.reserve("ann", Unit::Recipient, rule, over->free_at - 1));
    EXPECT_FALSE(limits.reserve("ann", Unit::Recipient, rule, over->free_at));
    limits.release("ann", 0, 1);
    send(limits, "ann", 5, over->free_at);
    over = limits.reserve("ann", Unit::Recipient, rule, over->free_at + 2 * hour);
    ASSERT_TRUE(over);
    EXPECT_EQ(over->period, AccountLimits::Period::Day);
    EXPECT_EQ(over->free_at, midnight + 25 * hour);
}

TEST(AccountLimits, WhatIsSetAsideCountsUntilGivenBack) {
    AccountLimits limits;
    const AccountRule rule{.message_hour = 2};
    AccountTicket first(limits, "ann", rule);
    EXPECT_FALSE(first.reserve(Unit::Message, midnight));
    {
        AccountTicket second(limits, "ANN", rule);
        EXPECT_FALSE(second.reserve(Unit::Message, midnight));
        AccountTicket third(limits, "ann", rule);
        const auto over = third.reserve(Unit::Message, midnight);
        ASSERT_TRUE(over);
        EXPECT_GE(over->free_at, midnight + hour);  // as if it were sent now
    }
    AccountTicket fourth(limits, "ann", rule);
    EXPECT_FALSE(fourth.reserve(Unit::Message, midnight));
    EXPECT_FALSE(fourth.reserve(Unit::Recipient, midnight));
    fourth.settle({}, midnight);
    EXPECT_EQ(limits.usage_of("ann", midnight)->message_hour, 1U);
    EXPECT_EQ(limits.usage_of("ann", midnight)->recipient_day, 1U);
    AccountTicket fifth(limits, "ann", rule);
    EXPECT_TRUE(fifth.reserve(Unit::Message, midnight));  // one sent, one set aside by `first`
}

TEST(AccountLimits, ConspicuousOnceADay) {
    AccountLimits limits;
    const SurgeRule rule{.factor = 5, .minimum = 100, .days = 10};
    std::uint64_t now = midnight;
    // A mailing list sends 200 a day: that is more than the minimum once, and then usual.
    EXPECT_TRUE(limits.settle("list", 200, rule, now));
    for (int i = 0; i < 30; ++i) EXPECT_FALSE(limits.settle("list", 200, rule, now += day));
    EXPECT_NEAR(limits.usage_of("list", now)->usual_day, 200, 1);
    EXPECT_FALSE(limits.settle("list", 800, rule, now));  // 1000 = 5 times
    EXPECT_TRUE(limits.settle("list", 1, rule, now));
    EXPECT_FALSE(limits.settle("list", 5000, rule, now + hour));  // said already
    EXPECT_TRUE(limits.settle("list", 9000, rule, now + day));
    // Somebody who wrote three mails a day: the minimum protects from noise.
    for (int i = 0; i < 30; ++i) EXPECT_FALSE(limits.settle("ann", 3, rule, now += day));
    EXPECT_FALSE(limits.settle("ann", 90, rule, now));
    EXPECT_TRUE(limits.settle("ann", 10, rule, now));
    EXPECT_FALSE(limits.settle("bob", 100000, {.factor = 0}, now));
}

TEST(AccountLimits, QuietDaysLowerWhatIsUsual) {
    AccountLimits limits;
    const SurgeRule rule{.factor = 5, .minimum = 10, .days = 10};
    for (int i = 0; i < 30; ++i) limits.settle("ann", 1000, rule, midnight + static_cast<unsigned>(i) * day);
    limits.settle("ann", 0, rule, midnight + 90 * day);
    EXPECT_LT(limits.usage_of("ann", midnight + 90 * day)->usual_day, 1);
}

TEST(AccountLimits, RecordsComeBack) {
    AccountLimits limits;
    const SurgeRule rule{.factor = 5, .minimum = 100, .days = 10};
    limits.settle("Ann@example.org", 150, rule, midnight - day);
    limits.settle("ann@example.org", 40, rule, midnight + 5 * hour);
    limits.settle("ann@example.org", 2, rule, midnight + 7 * hour);
    auto changed = limits.take_changed(100);
    ASSERT_EQ(changed.size(), 1U);
    EXPECT_EQ(changed[0].first, "ann@example.org");
    EXPECT_TRUE(limits.take_changed(100).empty());

    AccountLimits again;
    const auto now = midnight + 7 * hour + 60;
    ASSERT_TRUE(again.restore(changed[0].first, changed[0].second, now));
    const auto a = *limits.usage_of("ann@example.org", now), b = *again.usage_of("ann@example.org", now);
    EXPECT_EQ(a.message_hour, 1U);
    EXPECT_EQ(b.message_hour, 1U);
    EXPECT_EQ(a.recipient_day, b.recipient_day);
    EXPECT_EQ(b.recipient_day, 42U);
    EXPECT_EQ(b.today, 42U);
    EXPECT_EQ(b.usual_day, 150);
    EXPECT_FALSE(again.restore("ann@example.org", changed[0].second, now + 100 * day));  // of no interest
    for (const auto* wrong : {"", "2 1 1 1 1 1 1 - - - -", "1 1 1 1 1 1 1 - - -", "1 x 1 1 1 1 1 - - - -",
                              "1 20000 1 1 1 1 1728000000 5 - - -", "1 20000 1 1 1 1 1728000000 - 1:x - -",
                              "1 20000 1 1 1 1 1728000000 - 99999999999999999999:1 - -"})
        EXPECT_FALSE(again.restore("eve", wrong, now)) << wrong;
}

TEST(AccountLimits, ManyAccountsNeedNoMoreMemory) {
    AccountLimits limits;
    limits.limit_accounts(100);
    for (unsigned i = 0; i < 1000; ++i) send(limits, "user" + std::to_string(i), 1, midnight + i);
    EXPECT_LE(limits.usage(midnight + 1000).size(), 100U);
    EXPECT_TRUE(limits.usage_of("user999", midnight + 1000));
    EXPECT_FALSE(limits.usage_of("user0", midnight + 1000));
    // The forgotten ones are named so that their records go, too.
    std::size_t gone = 0;
    for (const auto& [name, record] : limits.take_changed(5000)) gone += record.empty() ? 1 : 0;
    EXPECT_GE(gone, 900U);
}

TEST(AccountLimits, AClockSetBackForgetsNothing) {
    AccountLimits limits;
    const AccountRule rule{.message_hour = 1};
    send(limits, "ann", 1, midnight + hour);
    EXPECT_TRUE(limits.reserve("ann", Unit::Message, rule, midnight));
    send(limits, "ann", 1, midnight);
    EXPECT_EQ(limits.usage_of("ann", midnight)->message_hour, 2U);
}

}  // namespace
}  // namespace policy
