#include "platform/ticket_keys.hpp"

#include <gtest/gtest.h>
#include <string>

namespace platform {
namespace {

using namespace std::chrono_literals;

class HandClock : public env::Clock {
 public:
    env::SteadyTime steady() const override { return now; }
    env::WallTime wall() const override { return {}; }
    std::chrono::minutes zone_offset(env::WallTime) const override { return 0min; }
    env::SteadyTime now{1h};
};

class CountingRandom : public env::Random {
 public:
    void fill(std::span<char> bytes) override {
        for (char& byte : bytes) byte = static_cast<char>(++at);
    }
    std::uint64_t next() override { return ++at; }
    std::uint64_t at = 0;
};

TEST(TicketKeys, AreMadeForOnePeriodAndReadForOneMore) {
    HandClock clock;
    CountingRandom random;
    TicketKeys keys(clock, random);
    const TicketKey first = keys.current();
    EXPECT_EQ(keys.current().name, first.name);
    EXPECT_NE(std::string(first.cipher.begin(), first.cipher.end()),
              std::string(first.mac.begin(), first.mac.end()));
    auto found = keys.find(first.name.data());
    ASSERT_TRUE(found);
    EXPECT_FALSE(found->old);
    clock.now += TicketKeys::period;
    found = keys.find(first.name.data());
    ASSERT_TRUE(found);
    EXPECT_TRUE(found->old);  // the client gets a fresh ticket
    EXPECT_EQ(found->key.mac, first.mac);
    EXPECT_NE(keys.current().name, first.name);
    clock.now += TicketKeys::period;
    EXPECT_FALSE(keys.find(first.name.data()));
}

TEST(TicketKeys, AQuietServerForgetsToo) {
    HandClock clock;
    CountingRandom random;
    TicketKeys keys(clock, random);
    const TicketKey first = keys.current();
    clock.now += 2 * TicketKeys::period;  // nobody came in between
    EXPECT_FALSE(keys.find(first.name.data()));
    const unsigned char unknown[16] = {};
    EXPECT_FALSE(keys.find(unknown));
}

}  // namespace
}  // namespace platform
