// Days of counting and reporting in virtual time: power cuts, failing disks and DNS, limits. What is reported
// is what was recorded: nothing twice but for a report that is sent again under its own name.
#include "queue/store_content.hpp"
#include "reports/extract.hpp"
#include "reports/inbox.hpp"
#include "reports/report_json.hpp"
#include "reports/sender.hpp"
#include "sim/resolver.hpp"
#include "sim/server_machine.hpp"
#include "sim/store.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <map>
#include <nlohmann/json.hpp>

namespace sim {
namespace {

using namespace std::chrono_literals;
using reports::AggregateReport;

constexpr std::uint64_t day = 86400;

dmarc::Sighting sighting(std::string domain, unsigned source, std::string rua) {
    dmarc::Sighting out;
    out.policy_domain = std::move(domain);
    out.record = *dmarc::parse_record("v=DMARC1; p=reject; rua=" + rua);
    out.source_ip = fmt::format("192.0.2.{}", source);
    out.header_from = out.policy_domain;
    out.disposition = "reject";
    out.spf_domain = "elsewhere.example";
    out.spf_result = "fail";
    return out;
}

/// Fails while told to.
class MoodyResolver : public env::Resolver {
 public:
    MoodyResolver(const SimDns& dns, SimLoop& loop) : resolver_(dns, loop) {}
    env::Task<env::DnsAnswer> query(dns::Name name, dns::Type type) override {
        if (!failing) {
            auto answer = co_await resolver_.query(std::move(name), type);
            co_return answer;
        }
        env::DnsAnswer out;
        out.why = "told to fail";
        co_return out;
    }
    bool failing = false;

 private:
    SimResolver resolver_;
};

env::Task<std::string> no_signature(std::string) { co_return "DKIM-Signature: test\r\n"; }
env::Task<std::expected<mail::Envelope, std::string>> same(mail::Envelope envelope) { co_return envelope; }

struct Arrived {
    std::string to;
    env::WallTime at;
    AggregateReport report;
};

class ReportWorld {
 public:
    explicit ReportWorld(std::uint64_t seed) : random_(seed), loop(scheduler, "queue"), events_(scheduler) {
        options.reporting = true;
        options.sender = "dmarc@us.example";
        options.org_name = options.submitter = "us.example";
        options.contact = "postmaster@us.example";
        boot();
    }

    void boot() {
        ++life_;
        loop.revive();
        store = std::make_unique<SimStore>(disk, loop, random_.split(fmt::format("store {}", life_)));
        workers_ = std::make_unique<SimWorkers>(loop, random_.split(fmt::format("workers {}", life_)));
        life_random_ = std::make_unique<SimRandom>(random_.split(fmt::format("life {}", life_)));
        resolver = std::make_unique<MoodyResolver>(dns, loop);
        intake_ = std::make_unique<queue::StoreIntake>(
            loop, *store, queue::QueueIdSource(life_, 0), queue::IntakeOptions{},
            [this](queue::Arrival arrival) { loop.spawn(take(std::move(arrival))); });
        tally = std::make_unique<reports::Tally>(loop, *store, events_);
        reports::Sender::Services services{loop,      *store,  resolver.get(), *intake_,     *life_random_,
                                           *workers_, events_, *tally,         no_signature, same};
        sender = std::make_unique<reports::Sender>(std::move(services), "mail.us.example", "test");
        tally->configure(options);
        sender->configure(options);
        EXPECT_TRUE(loop.run(tally->load()));
        sender->start();
    }

    void power_cut() {
        loop.kill();
        sender.reset();
        tally.reset();
        intake_.reset();
        disk.power_cut(random_);
        boot();
    }

    /// As any synced commit of the mail system does.
    void sync() {
        env::Batch batch;
        batch.put(env::Keyspace::Meta, "something", "else");
        loop.run(store->commit(std::move(batch), env::Durability::Synced));
    }

    std::uint64_t now() { return env::unix_time(loop.clock().wall()); }
    void run_to(std::uint64_t unix_time) { loop.run_for(std::chrono::seconds(unix_time - now())); }
    std::uint64_t next_midnight() { return (now() / day + 1) * day; }

    /// By Report-ID: a report that came again must be the same.
    std::map<std::string, AggregateReport> distinct() const {
        std::map<std::string, AggregateReport> out;
        for (const auto& one : arrived) {
            const auto [found, fresh] = out.emplace(one.report.report_id, one.report);
            if (!fresh) {
                EXPECT_EQ(found->second, one.report) << one.report.report_id;
            }
        }
        return out;
    }
    std::uint64_t reported() const {
        std::uint64_t out = 0;
        for (const auto& [id, report] : distinct()) out += report.messages();
        return out;
    }

    reports::ReportOptions options;
    Scheduler scheduler;

 private:
    SimRandom random_;

 public:
    SimLoop loop;
    Disk disk;
    SimDns dns;
    std::unique_ptr<SimStore> store;
    std::unique_ptr<MoodyResolver> resolver;
    std::unique_ptr<reports::Tally> tally;
    std::unique_ptr<reports::Sender> sender;
    std::vector<Arrived> arrived;

 private:
    env::Task<void> take(queue::Arrival arrival) {
        queue::StoreContent content(*store, arrival.id, *arrival.record);
        std::string message;
        for (;;) {
            auto piece = co_await content.next();
            if (!piece || piece->empty()) break;
            message += *piece;
        }
        const auto found = reports::extract_reports(message);
        EXPECT_EQ(found.reports.size(), 1U) << message;
        EXPECT_TRUE(arrival.record->envelope.sender.is_null());
        if (found.reports.size() == 1)
            arrived.push_back({arrival.record->envelope.recipients.front().address.text(),
                               loop.clock().wall(), std::get<AggregateReport>(found.reports.front())});
    }

    TraceEvents events_;
    std::uint64_t life_ = 0;
    std::unique_ptr<SimWorkers> workers_;
    std::unique_ptr<SimRandom> life_random_;
    std::unique_ptr<queue::StoreIntake> intake_;
};

TEST(Reports, EachDayOneReportForEachDomain) {
    ReportWorld world(1);
    world.run_to(world.next_midnight() + 3600);
    std::map<std::pair<std::string, std::uint64_t>, std::uint64_t> recorded;  // domain, day
    for (int hour = 0; hour < 60; ++hour) {
        for (const auto* domain : {"one.example", "two.example"})
            for (unsigned i = 0; i < 5; ++i) {
                world.tally->record(sighting(domain, i % 3, fmt::format("mailto:dmarc@{}", domain)));
                ++recorded[{domain, world.now() / day}];
            }
        world.loop.run_for(1h);
    }
    world.run_to(world.next_midnight() + 7200);
    std::map<std::pair<std::string, std::uint64_t>, std::uint64_t> reported;
    for (const auto& one : world.arrived) {
        const auto& report = one.report;
        EXPECT_EQ(one.to, "dmarc@" + report.policy.domain);
        EXPECT_EQ(report.begin % day, 0U);
        EXPECT_EQ(report.end, report.begin + day - 1);
        EXPECT_EQ(report.rows.size(), 3U);
        const auto late = env::unix_time(one.at) - report.end;
        EXPECT_LE(late, 1800U + 60) << "jitter is 30 minutes";
        reported[{report.policy.domain, report.begin / day}] += report.messages();
    }
    EXPECT_EQ(reported, recorded);
    EXPECT_EQ(world.arrived.size(), recorded.size());
    EXPECT_TRUE(world.loop.run(world.sender->waiting()).empty());
    // Nothing of what was counted is left behind.
    for (const auto& [key, value] : world.disk.content())
        EXPECT_FALSE(key.second.starts_with("reports/out/row") ||
                     key.second.starts_with("reports/out/domain") ||
                     key.second.starts_with("reports/out/period"))
            << key.second;
}

TEST(Reports, PowerCutsLoseNothingThatWasSyncedAndInventNothing) {
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        ReportWorld world(seed);
        SimRandom dice(seed * 7919);
        world.options.jitter = 60s;
        world.run_to(world.next_midnight() + 10);
        std::uint64_t recorded = 0, durable = 0, open = 0;  // open: since the last synced commit
        for (int step = 0; step < 60; ++step) {
            const auto count = dice.between(1, 20);
            for (std::uint64_t i = 0; i < count; ++i) {
                const std::string domain = dice.chance(0.5) ? "one.example" : "two.example";
                world.tally->record(
                    sighting(domain, static_cast<unsigned>(dice.below(5)), "mailto:dmarc@" + domain));
            }
            recorded += count;
            open += count;
            if (dice.chance(0.4)) {
                EXPECT_TRUE(world.loop.run(world.tally->flush()));
                world.sync();
                durable += std::exchange(open, 0);
            } else {
                world.loop.run_for(std::chrono::milliseconds(dice.between(1, 7'200'000)));
            }
            if (!dice.chance(0.2)) continue;
            world.power_cut();
            open = 0;
        }
        // Across a send, at any of its steps.
        world.run_to(world.next_midnight() + dice.between(0, 120));
        world.loop.run_for(std::chrono::milliseconds(dice.between(0, 2000)));
        world.power_cut();
        world.run_to(world.next_midnight() + 7200);
        world.run_to(world.next_midnight() + 7200);
        EXPECT_GE(world.reported(), durable) << "seed " << seed;
        EXPECT_LE(world.reported(), recorded) << "seed " << seed;
    }
}

TEST(Reports, WhatCannotBeSentNowIsSentLaterUnderTheSameName) {
    ReportWorld world(3);
    world.dns.add("one.example._report._dmarc.third.example TXT \"v=DMARC1\"");
    world.run_to(world.next_midnight() + 10);
    world.tally->record(sighting("one.example", 1, "mailto:a@third.example, mailto:b@one.example"));
    world.resolver->failing = true;
    world.run_to(world.next_midnight() + 5 * 3600);
    // Within one organizational domain nothing need be asked, but without the DNS nobody knows which that is.
    const auto before = world.arrived.size();
    EXPECT_EQ(world.loop.run(world.sender->waiting()).size(), 1U);
    world.power_cut();  // also across a restart
    world.run_to(world.now() + 2 * 3600);
    ASSERT_EQ(world.arrived.size(), 2U) << before << " came while the DNS failed";
    EXPECT_EQ(world.distinct().size(), 1U);
    EXPECT_NE(world.arrived[0].to, world.arrived[1].to);
    EXPECT_TRUE(world.loop.run(world.sender->waiting()).empty());
}

TEST(Reports, WhatNeverGoesIsGivenUp) {
    ReportWorld world(4);
    world.run_to(world.next_midnight() + 10);
    world.resolver->failing = true;
    world.tally->record(sighting("one.example", 1, "mailto:a@third.example"));
    world.run_to(world.next_midnight() + 5 * day);
    EXPECT_TRUE(world.arrived.empty());
    EXPECT_TRUE(world.loop.run(world.sender->waiting()).empty());
    std::size_t said = 0;
    for (const auto& [key, value] : world.disk.content())
        if (key.second.starts_with("reports/sent/")) said += value.find("given up") != std::string::npos;
    EXPECT_EQ(said, 1U);
}

TEST(Reports, LimitsBoundWhatAFloodCosts) {
    ReportWorld world(5);
    world.options.rows_max = 4;
    world.options.domains_max = 3;
    world.tally->configure(world.options);
    world.run_to(world.next_midnight() + 10);
    for (unsigned domain = 0; domain < 10; ++domain)
        for (unsigned source = 0; source < 100; ++source)
            world.tally->record(sighting(fmt::format("d{}.example", domain), source,
                                         fmt::format("mailto:r@d{}.example", domain)));
    world.run_to(world.next_midnight() + 3600);
    ASSERT_EQ(world.arrived.size(), 3U);
    for (const auto& one : world.arrived) {
        EXPECT_EQ(one.report.rows.size(), 4U);
        ASSERT_EQ(one.report.errors.size(), 1U);
        EXPECT_EQ(one.report.errors[0], "96 more messages had too many different sources to list them");
    }
}

TEST(Reports, AFailingDiskDelaysAndLosesNothing) {
    ReportWorld world(6);
    world.run_to(world.next_midnight() + 10);
    world.disk.faults.io = 1;
    for (unsigned i = 0; i < 50; ++i)
        world.tally->record(sighting("one.example", i % 4, "mailto:r@one.example"));
    EXPECT_FALSE(world.loop.run(world.tally->flush()));
    world.loop.run_for(5min);
    for (unsigned i = 0; i < 7; ++i)
        world.tally->record(sighting("one.example", i % 4, "mailto:r@one.example"));
    world.disk.faults.io = 0;
    world.run_to(world.next_midnight() + 3600);
    ASSERT_EQ(world.arrived.size(), 1U);
    EXPECT_EQ(world.arrived[0].report.messages(), 57U);
}

TEST(Reports, SwitchedOffNothingStaysForEver) {
    ReportWorld world(8);
    world.run_to(world.next_midnight() + 10);
    world.tally->record(sighting("one.example", 1, "mailto:r@one.example"));
    world.loop.run_for(1min);
    world.options.reporting = false;
    world.sender->configure(world.options);
    world.run_to(world.next_midnight() + 3 * day);
    EXPECT_EQ(world.loop.run(world.sender->waiting()).size(), 1U);  // it may be switched on again
    world.run_to(world.next_midnight() + 6 * day);
    EXPECT_TRUE(world.loop.run(world.sender->waiting()).empty());
    for (const auto& [key, value] : world.disk.content())
        EXPECT_FALSE(key.second.starts_with("reports/out/") && key.second != "reports/out/current")
            << key.second;
    EXPECT_TRUE(world.arrived.empty());
}

TEST(Reports, AClockThatWasFarAheadIsForgotten) {
    ReportWorld world(9);
    world.run_to(world.next_midnight() + 10);
    world.loop.clock().shift_wall(std::chrono::hours(24 * 365));
    world.tally->record(sighting("one.example", 1, "mailto:r@one.example"));
    EXPECT_TRUE(world.loop.run(world.tally->flush()));
    world.loop.clock().shift_wall(-std::chrono::hours(24 * 365));
    world.sync();
    world.power_cut();
    world.tally->record(sighting("one.example", 2, "mailto:r@one.example"));
    world.run_to(world.next_midnight() + 3600);
    ASSERT_EQ(world.arrived.size(), 1U);
    EXPECT_EQ(world.arrived[0].report.rows[0].source_ip, "192.0.2.2");
}

TEST(Reports, CutEndsAPeriodWithoutOverlap) {
    ReportWorld world(7);
    world.run_to(world.next_midnight() + 5000);
    const auto one = [&] { world.tally->record(sighting("one.example", 1, "mailto:r@one.example")); };
    for (int i = 0; i < 4; ++i) {
        one();
        EXPECT_TRUE(world.loop.run(world.tally->cut()));
        const auto done = world.loop.run(world.sender->send(reports::Sender::Which::Everything));
        EXPECT_EQ(done.sent, 1U) << done.later << " " << done.dropped;
        if (i == 1) world.power_cut();  // the cut is remembered where a report hangs on it
        world.loop.run_for(std::chrono::seconds(i));
    }
    one();
    world.run_to(world.next_midnight() + 3600);
    ASSERT_EQ(world.arrived.size(), 5U);
    for (std::size_t i = 1; i < world.arrived.size(); ++i)
        EXPECT_GT(world.arrived[i].report.begin, world.arrived[i - 1].report.end) << i;
    EXPECT_EQ(world.distinct().size(), 5U);
}

}  // namespace
}  // namespace sim
