// The pure parts of the queue: ids, records, retry times, the scheduler.
#include "queue/queue_id_source.hpp"
#include "queue/record.hpp"
#include "queue/retry_policy.hpp"
#include "queue/scheduler.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <set>

namespace queue {
namespace {

using namespace std::chrono_literals;
const env::WallTime start{std::chrono::seconds(1795460713)};
const env::SteadyTime zero{std::chrono::hours(1)};

TEST(QueueId, NeverRepeatsAndSortsByTime) {
    std::set<std::string> seen;
    std::string last;
    QueueIdSource source(1, 0);
    for (int i = 0; i < 5000; ++i) {
        const auto id = source.next(start + std::chrono::microseconds(i / 3));
        EXPECT_TRUE(seen.insert(id.text()).second);
        EXPECT_LT(last, id.text());
        last = id.text();
        EXPECT_TRUE(QueueId::parse(id.text())) << id.text();
    }
    // Another loop, another start, the clock gone back: still new.
    QueueIdSource other(1, 1), restarted(2, 0);
    for (int i = 0; i < 1000; ++i) {
        EXPECT_TRUE(seen.insert(other.next(start).text()).second);
        EXPECT_TRUE(seen.insert(restarted.next(start - 1h).text()).second);
    }
}

TEST(QueueId, RefusesWhatCannotBeOne) {
    for (const auto* text :
         {"", "../../etc/passwd", "4Q1tZk2vX z9", "4Q1tZk2vX/z9", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"})
        EXPECT_FALSE(QueueId::parse(text)) << text;
}

EnvelopeRecord sample() {
    EnvelopeRecord record;
    record.envelope.sender = mail::ReversePath(mail::Address{"ann", "example.net"});
    for (int i = 0; i < 3; ++i) {
        mail::Recipient r;
        r.address = {"r" + std::to_string(i), "example.org"};
        r.original = {"o", "example.org"};
        r.dsn_original = "rfc822;o@example.org";
        r.notify = mail::Notify::Success | mail::Notify::Delay;
        record.envelope.recipients.push_back(r);
    }
    record.envelope.body = mail::BodyType::BinaryMime;
    record.envelope.smtputf8 = true;
    record.envelope.dsn_return = mail::DsnReturn::Headers;
    record.envelope.dsn_envelope_id = "id";
    record.envelope.origin.client_address = "192.0.2.1";
    record.envelope.origin.client_port = 4321;
    record.envelope.hold = true;
    record.arrived = start;
    record.size = 12345678901;
    record.chunks = 7;
    return record;
}

TEST(Record, ComesBackAsItWent) {
    const auto record = sample();
    const auto back = decode_envelope(encode(record));
    ASSERT_TRUE(back);
    EXPECT_EQ(back->envelope.sender, record.envelope.sender);
    EXPECT_EQ(back->envelope.recipients, record.envelope.recipients);
    EXPECT_EQ(back->envelope.origin, record.envelope.origin);
    EXPECT_EQ(back->envelope.body, record.envelope.body);
    EXPECT_EQ(back->envelope.dsn_envelope_id, "id");
    EXPECT_EQ(back->arrived, record.arrived);
    EXPECT_EQ(back->size, record.size);
    EXPECT_EQ(back->chunks, record.chunks);
    const auto state = decode_state(encode(StateRecord{5, start, true, true}));
    ASSERT_TRUE(state);
    EXPECT_EQ(state->attempts, 5);
    EXPECT_EQ(state->next_attempt, start);
    EXPECT_TRUE(state->hold && state->delay_warned);
}

TEST(Record, NoCutOrChangedOctetIsMoreThanAnError) {
    const std::string bytes = encode(sample());
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        EXPECT_FALSE(decode_envelope(bytes.substr(0, i))) << i;
        for (const int flip : {0x01, 0x80, 0xff}) {
            std::string changed = bytes;
            changed[i] = static_cast<char>(changed[i] ^ flip);
            static_cast<void>(decode_envelope(changed));  // an error or another record; never a crash
        }
    }
    EXPECT_EQ(decode_envelope(std::string("\x7f") + bytes.substr(1)).error(), RecordError::UnknownVersion);
    EXPECT_FALSE(decode_state(""));
    EXPECT_FALSE(decode_recipient("\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"));
}

TEST(Retry, WaitsAsLongAsTheMessageIsOldWithinTheLimits) {
    const RetryOptions options;
    EXPECT_EQ(next_wait(options, start, start, false), 300s);
    EXPECT_EQ(next_wait(options, start, start + 1000s, false), 1000s);
    EXPECT_EQ(next_wait(options, start, start + 10h, false), 4000s);
    EXPECT_EQ(next_wait(options, start, start - 1h, false), 300s);  // the clock went back
    EXPECT_EQ(next_wait(options, start, start + 10h, true), 300s);  // greylisted
    EXPECT_FALSE(is_expired(options, start, start + 24h * 5 - 1s, NullSender::No));
    EXPECT_TRUE(is_expired(options, start, start + 24h * 5 + 1s, NullSender::No));
    RetryOptions bounces = options;
    bounces.bounce_queue_lifetime = 0s;
    EXPECT_TRUE(is_expired(bounces, start, start + 1s, NullSender::Yes));
}

DestinationOptions small() {
    DestinationOptions options;
    options.initial_concurrency = 2;
    options.concurrency_limit = 4;
    return options;
}

TEST(Scheduler, StartsNoMoreThanTheWindowAndOpensIt) {
    Scheduler scheduler([](const std::string&) { return small(); });
    const Destination mx{"smtp", "example.org"};
    for (MessageKey key = 1; key <= 20; ++key) scheduler.add(mx, {key, {0}});
    const auto start_all = [&] {
        std::size_t count = 0;
        while (scheduler.next(zero)) ++count;
        return count;
    };
    EXPECT_EQ(start_all(), 2);
    std::size_t running = 2, most = 2;
    for (int i = 0; i < 18; ++i) {
        scheduler.finished(mx, Scheduler::Outcome::Reached, "", zero);
        running += start_all() - 1;
        most = std::max(most, running);
    }
    EXPECT_EQ(most, 4);
}

TEST(Scheduler, DestinationsAndMessagesTakeTurns) {
    Scheduler scheduler([](const std::string&) {
        auto options = small();
        options.initial_concurrency = options.concurrency_limit = 1;
        return options;
    });
    const Destination slow{"smtp", "slow.example"}, fast{"smtp", "fast.example"};
    for (std::uint32_t i = 0; i < 100; ++i) scheduler.add(slow, {1, {i}});
    scheduler.add(slow, {2, {0}});
    scheduler.add(fast, {3, {0}});
    std::vector<MessageKey> order;
    for (int i = 0; i < 4; ++i) {
        while (auto job = scheduler.next(zero)) order.push_back(job->job.message);
        scheduler.finished(slow, Scheduler::Outcome::Reached, "", zero);
    }
    // The large message does not keep the others waiting.
    EXPECT_NE(std::ranges::find(order, 3U), order.end());
    EXPECT_LE(std::ranges::find(order, 2U) - order.begin(), 2);
}

TEST(Scheduler, ADeadDestinationGivesItsJobsBackAndIsProbedLater) {
    Scheduler scheduler([](const std::string&) { return small(); });
    const Destination mx{"smtp", "down.example"};
    for (MessageKey key = 1; key <= 10; ++key) scheduler.add(mx, {key, {0}});
    int started = 0;
    for (int i = 0; i < 10 && !scheduler.is_dead(mx, zero); ++i) {
        while (scheduler.next(zero)) ++started;
        scheduler.finished(mx, Scheduler::Outcome::DestinationFailed, "connection refused", zero);
    }
    EXPECT_TRUE(scheduler.is_dead(mx, zero));
    const auto returned = scheduler.take_returned();
    ASSERT_EQ(returned.size(), 1);
    EXPECT_EQ(returned[0].why, "connection refused");
    EXPECT_EQ(static_cast<int>(returned[0].jobs.size()) + started, 10);
    EXPECT_FALSE(scheduler.is_dead(mx, zero + 301s));
    scheduler.add(mx, {11, {0}});
    EXPECT_TRUE(scheduler.next(zero + 301s));
}

TEST(Scheduler, RemovedMessagesAreNotStarted) {
    Scheduler scheduler([](const std::string&) { return small(); });
    const Destination mx{"smtp", "example.org"};
    scheduler.add(mx, {1, {0}});
    scheduler.add(mx, {2, {0}});
    scheduler.remove(1);
    EXPECT_EQ(scheduler.next(zero)->job.message, 2);
    EXPECT_FALSE(scheduler.next(zero));
}

TEST(Scheduler, ARateDelayIsOneAtATimeWithAPause) {
    Scheduler scheduler([](const std::string&) {
        auto options = small();
        options.rate_delay = 10s;
        return options;
    });
    const Destination mx{"smtp", "example.org"};
    for (MessageKey key = 1; key <= 3; ++key) scheduler.add(mx, {key, {0}});
    EXPECT_TRUE(scheduler.next(zero));
    EXPECT_FALSE(scheduler.next(zero));
    scheduler.finished(mx, Scheduler::Outcome::Reached, "", zero + 1s);
    EXPECT_FALSE(scheduler.next(zero + 2s));
    ASSERT_TRUE(scheduler.next_change());
    EXPECT_TRUE(scheduler.next(*scheduler.next_change()));
}

}  // namespace
}  // namespace queue
