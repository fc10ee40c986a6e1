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

TEST(QueueId, SaysWhichLifeMadeIt) {
    for (const std::uint64_t epoch : {1ULL, 2ULL, 51ULL, 1000ULL, 123456789ULL})
        for (const unsigned loop : {0U, 1U, QueueIdSource::loops_max - 1}) {
            QueueIdSource source(epoch, loop);
            EXPECT_EQ(source.epoch(), epoch);
            EXPECT_EQ(QueueIdSource::epoch_of(source.next(start)), epoch) << epoch << " " << loop;
        }
    for (const auto* text : {"4Q1tZk2vX", "z", "4Q1tZk2vXz", "zzZZZZZZZZZZZZZZZZZZZZ", "zAEIOU"})
        EXPECT_EQ(QueueIdSource::epoch_of(*QueueId::parse(text)), std::nullopt) << text;
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
    record.envelope.from_outside = record.envelope.verified = true;
    record.arrived = start;
    record.size = 12345678901;
    record.chunks = 7;
    return record;
}

TEST(Record, ComesBackAsItWent) {
    const auto record = sample();
    auto back = decode_envelope(encode(record));
    ASSERT_TRUE(back);
    EXPECT_EQ(back->envelope.sender, record.envelope.sender);
    EXPECT_EQ(back->envelope.recipients, record.envelope.recipients);
    EXPECT_EQ(back->envelope.origin, record.envelope.origin);
    EXPECT_EQ(back->envelope.body, record.envelope.body);
    EXPECT_EQ(back->envelope.dsn_envelope_id, "id");
    EXPECT_TRUE(back->envelope.smtputf8 && back->envelope.from_outside && back->envelope.verified);
    EXPECT_FALSE(back->envelope.junk);
    auto junk = record;
    junk.envelope.junk = true;
    junk.envelope.smtputf8 = junk.envelope.from_outside = false;
    back = decode_envelope(encode(junk));
    ASSERT_TRUE(back);
    EXPECT_TRUE(back->envelope.junk && back->envelope.verified);
    EXPECT_FALSE(back->envelope.smtputf8 || back->envelope.from_outside);
    EXPECT_EQ(back->arrived, record.arrived);
    EXPECT_EQ(back->size, record.size);
    EXPECT_EQ(back->chunks, record.chunks);
    const auto state = decode_state(encode(StateRecord{5, start, true, true}));
    ASSERT_TRUE(state);
    EXPECT_EQ(state->attempts, 5);
    EXPECT_EQ(state->next_attempt, start);
    EXPECT_TRUE(state->hold && state->delay_warned && !state->expire);
    const auto expiring = decode_state(encode(StateRecord{5, start, false, false, true}));
    EXPECT_TRUE(expiring && expiring->expire && !expiring->hold);
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
    // Gently: one delivery, and no second until one has reached it.
    for (MessageKey key = 11; key <= 20; ++key) scheduler.add(mx, {key, {0}});
    EXPECT_TRUE(scheduler.next(zero + 301s));
    EXPECT_FALSE(scheduler.next(zero + 301s));
    scheduler.finished(mx, Scheduler::Outcome::Reached, "", zero + 302s);
    EXPECT_TRUE(scheduler.next(zero + 302s));
}

TEST(Scheduler, ASendersThousandsDoNotDelayASingleMail) {
    Scheduler scheduler([](const std::string&) { return small(); });
    const Destination mx{"smtp", "example.org"};
    constexpr SenderGroup newsletter = 1, ann = 2;
    for (MessageKey key = 1; key <= 20'000; ++key) scheduler.add(mx, {key, {0}, newsletter});
    scheduler.add(mx, {30'000, {0}, ann});
    scheduler.add(mx, {30'001, {0}, ann});
    std::vector<MessageKey> order;
    for (int i = 0; i < 6; ++i) {
        while (auto next = scheduler.next(zero)) order.push_back(next->job.message);
        scheduler.finished(mx, Scheduler::Outcome::Reached, "", zero);
    }
    EXPECT_EQ(order[1], 30'000U);
    EXPECT_EQ(order[3], 30'001U);
    EXPECT_EQ(order[4], 3U) << "the newsletter keeps its order";
}

TEST(FairRow, SendersTakeTurns) {
    FairRow<int> row;
    for (int i = 0; i < 100'000; ++i) row.push(1, i);
    row.push(2, -1);
    row.push(2, -2);
    EXPECT_EQ(row.size(), 100'002U);
    std::vector<int> order;
    for (int i = 0; i < 5; ++i) order.push_back(*row.pop());
    EXPECT_EQ(order, (std::vector<int>{0, -1, 1, -2, 2}));
    while (row.pop()) {
    }
    EXPECT_TRUE(row.empty());
}

TEST(SenderGroup, IsTheSameForAllMessagesOfANewsletter) {
    const auto group = [](std::string local, std::string domain, std::string login = "") {
        mail::Envelope envelope;
        envelope.sender = mail::ReversePath({std::move(local), std::move(domain)});
        envelope.origin.sasl_username = std::move(login);
        return sender_group(envelope);
    };
    EXPECT_EQ(group("news-17-ann=a.example", "list.example"), group("news-4-bob=b.example", "list.example"));
    EXPECT_EQ(group("news+ann", "list.example"), group("News+bob", "LIST.example"));
    EXPECT_NE(group("news", "list.example"), group("ann", "list.example"));
    EXPECT_NE(group("news", "list.example"), group("news", "other.example"));
    EXPECT_EQ(group("a", "x.example", "shop"), group("b", "y.example", "shop"));
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
    EXPECT_EQ(scheduler.next_change(zero + 2s), zero + 11s);  // the pause begins when a delivery ends
    EXPECT_TRUE(scheduler.next(zero + 11s));
    scheduler.finished(mx, Scheduler::Outcome::Reached, "", zero + 12s);
    scheduler.add(mx, {4, {0}});
    EXPECT_FALSE(scheduler.next(zero + 13s));
    EXPECT_TRUE(scheduler.next(zero + 22s));
}

TEST(Scheduler, ATransportsRateDelayIsBetweenStarts) {
    Scheduler scheduler([](const std::string& transport) {
        auto options = small();
        if (transport == "slow") options.transport_rate_delay = 10s;
        return options;
    });
    for (MessageKey key = 1; key <= 3; ++key)
        scheduler.add({"slow", "d" + std::to_string(key) + ".example"}, {key, {0}});
    scheduler.add({"smtp", "example.org"}, {9, {0}});
    std::size_t started = 0;
    while (scheduler.next(zero)) ++started;
    EXPECT_EQ(started, 2);
    EXPECT_EQ(scheduler.next_change(zero), zero + 10s);
    EXPECT_TRUE(scheduler.next(zero + 10s));
    EXPECT_FALSE(scheduler.next(zero + 10s));
}

TEST(Scheduler, ATransportRunsNoMoreThanItsProcesses) {
    Scheduler scheduler([](const std::string& transport) {
        auto options = small();
        options.process_limit = transport == "few" ? 3 : 0;
        return options;
    });
    for (MessageKey key = 1; key <= 100; ++key) {
        scheduler.add({"few", "d" + std::to_string(key) + ".example"}, {key, {0}});
        scheduler.add({"many", "d" + std::to_string(key) + ".example"}, {key, {0}});
    }
    std::map<std::string, int> running;
    std::optional<Destination> one;
    while (auto start = scheduler.next(zero)) {
        ++running[start->destination.transport];
        if (start->destination.transport == "few") one = start->destination;
    }
    EXPECT_EQ(running["few"], 3);
    EXPECT_EQ(running["many"], 100);
    scheduler.finished(*one, Scheduler::Outcome::Reached, "", zero);
    EXPECT_TRUE(scheduler.next(zero));
    EXPECT_FALSE(scheduler.next(zero));
    EXPECT_EQ(scheduler.next_change(zero), std::nullopt);
}

TEST(Scheduler, WhatIsWithoutWorkIsForgotten) {
    Scheduler scheduler([](const std::string&) { return small(); });
    for (MessageKey key = 1; key <= 5; ++key) {
        const Destination down{"smtp", "down" + std::to_string(key) + ".example"};
        for (std::uint32_t i = 0; i < 10; ++i) scheduler.add(down, {key, {i}});
        for (int i = 0; i < 10 && !scheduler.is_dead(down, zero); ++i) {
            while (scheduler.next(zero)) {
            }
            scheduler.finished(down, Scheduler::Outcome::DestinationFailed, "refused", zero);
        }
        while (scheduler.snapshot(zero).back().running > 0)
            scheduler.finished(down, Scheduler::Outcome::DestinationFailed, "refused", zero);
    }
    EXPECT_EQ(scheduler.snapshot(zero + 1s).size(), 5);
    EXPECT_FALSE(scheduler.next(zero + 301s));
    EXPECT_EQ(scheduler.snapshot(zero + 301s).size(), 5) << "remembered, to be probed";
    EXPECT_FALSE(scheduler.next(zero + 5h));
    EXPECT_EQ(scheduler.snapshot(zero + 5h).size(), 0);
}

TEST(Scheduler, FeedbackOpensAndClosesTheWindow) {
    struct Case {
        const char* positive;
        const char* negative;
        double after_three_good, after_one_bad;
    };
    for (const auto& [positive, negative, good, bad] :
         {Case{"1", "1", 8, 7}, Case{"1/concurrency", "1", 5.5777, 4.5777}, Case{"0", "0.5", 5, 4.5},
          Case{"1 / sqrt_concurrency", "1/10", 6.2882, 6.1882}}) {
        DestinationOptions options;
        options.positive = *Feedback::parse(positive);
        options.negative = *Feedback::parse(negative);
        Scheduler scheduler([&options](const std::string&) { return options; });
        const Destination mx{"smtp", "example.org"};
        for (std::uint32_t i = 0; i < 100; ++i) scheduler.add(mx, {1, {i}});
        const auto window = [&] { return scheduler.snapshot(zero).front().window; };
        for (int i = 0; i < 3; ++i) {
            while (scheduler.next(zero)) {
            }
            scheduler.finished(mx, Scheduler::Outcome::Reached, "", zero);
        }
        EXPECT_NEAR(window(), good, 0.001) << positive;
        scheduler.finished(mx, Scheduler::Outcome::DestinationFailed, "no", zero);
        EXPECT_NEAR(window(), bad, 0.001) << negative;
    }
    for (const char* wrong :
         {"", "x", "2", "-1", "1/", "1/0", "1/window", "5 / 2", "1 concurrency", "1e-3", "nan"})
        EXPECT_FALSE(Feedback::parse(wrong)) << wrong;
    EXPECT_NEAR(Feedback::parse(" 1 / 4 ")->of(20), 0.25, 1e-9);
}

TEST(Scheduler, ALongRowOfDestinationsCostsNothing) {
    // Quadratic, this would take minutes.
    Scheduler scheduler([](const std::string&) {
        auto options = small();
        options.process_limit = 10;
        return options;
    });
    constexpr MessageKey many = 100'000;
    for (MessageKey key = 1; key <= many; ++key)
        scheduler.add({"smtp", "d" + std::to_string(key)}, {key, {0}});
    std::deque<Destination> running;
    MessageKey delivered = 0;
    while (delivered < many) {
        while (auto start = scheduler.next(zero)) running.push_back(start->destination);
        ASSERT_LE(running.size(), 10);
        scheduler.finished(running.front(), Scheduler::Outcome::Reached, "", zero);
        running.pop_front();
        ++delivered;
    }
    EXPECT_FALSE(scheduler.next(zero));
}

}  // namespace
}  // namespace queue
