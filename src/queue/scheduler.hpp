// Which delivery is next. Pure: no clock, no I/O; the queue manager asks, delivers, and reports back.
//
// Work comes as jobs: some recipients of one message for one destination (transport and next hop). Each
// destination has a window, the number of deliveries that may run at once (Postfix's SCHEDULER_README, and
// its parameter names). It opens with `initial_concurrency`. A delivery that reached the destination adds the
// positive feedback, up to the limit, but only while the window is used; a failure of the destination itself
// (no connection, no greeting) takes the negative feedback away, down to one. When `failed_cohort_limit`
// cohorts in a row failed (a cohort is as many deliveries as the window holds), the destination is dead: its
// jobs are handed back at once, until `dead_time` has passed. Then it is probed: the window is one until a
// delivery has reached it, however long that takes (a destination of which nothing is heard for
// `probe_memory` begins anew).
//
// Fairness: transports take turns, then destinations, so a slow one holds only its own window; within a
// destination senders take turns, then the messages of a sender, job by job, so that neither a message with
// 100,000 recipients nor 100,000 messages of one sender delay a single mail behind them; a transport runs at
// most `process_limit` deliveries in all.
//
// Only destinations that may start something stand in a transport's row of turns; one that waits for a rate
// delay stands among the delayed, one with a full window nowhere until a delivery ends. So next() costs the
// same with one destination and with a hundred thousand.
#pragma once

#include "env/clock.hpp"
#include "queue/sender_group.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace queue {

/// By how much one delivery changes the window: "1", "0.5", "1 / 5", "1 / concurrency", "1 /
/// sqrt_concurrency".
struct Feedback {
    enum class Per { Delivery, Concurrency, SquareRoot } per = Per::Delivery;
    double value = 1;
    /// nullopt: no such form, or not within 0 and 1.
    static std::optional<Feedback> parse(std::string_view text);
    double of(double window) const;
};

struct DestinationOptions {
    std::uint32_t initial_concurrency = 5;
    std::uint32_t concurrency_limit = 20;   // 0: none
    std::uint32_t failed_cohort_limit = 1;  // 0: a destination never counts as dead
    Feedback positive, negative;
    std::uint32_t process_limit = 100;   // of the whole transport; 0: none
    std::chrono::seconds rate_delay{0};  // behind a delivery to a destination; > 0 means one at a time
    std::chrono::seconds transport_rate_delay{0};  // between the starts of deliveries of the transport
    std::chrono::seconds dead_time{300};
    std::chrono::seconds probe_memory{4 * 3600};
};

struct Destination {
    std::string transport;
    std::string next_hop;
    auto operator<=>(const Destination&) const = default;
};

using MessageKey = std::uint64_t;

struct Job {
    MessageKey message = 0;
    std::vector<std::uint32_t> recipients;  // indices into the message's recipients
    SenderGroup sender = 0;
};

class Scheduler {
 public:
    using OptionsFor = std::function<DestinationOptions(const std::string& transport)>;
    explicit Scheduler(OptionsFor options) : options_(std::move(options)) {}

    void add(const Destination& destination, Job job);
    struct Start {
        Destination destination;
        Job job;
    };
    /// The next delivery to start now, if any may.
    std::optional<Start> next(env::SteadyTime now);
    enum class Outcome { Reached, DestinationFailed };
    /// A started delivery has ended. `why`: the reason, for the jobs of a destination that dies of it.
    void finished(const Destination& destination, Outcome outcome, const std::string& why,
                  env::SteadyTime now);
    struct Returned {
        Destination destination;
        std::vector<Job> jobs;
        std::string why;
    };
    /// Jobs of destinations that died: to be deferred with that reason.
    std::vector<Returned> take_returned();
    /// True when jobs for this destination would be handed back.
    bool is_dead(const Destination& destination, env::SteadyTime now) const;
    /// When next() may have something although nothing changes: a rate delay ends. nullopt: only after a
    /// change.
    std::optional<env::SteadyTime> next_change(env::SteadyTime now) const;

    struct DestinationState {
        Destination destination;
        std::size_t waiting_jobs = 0;
        std::uint32_t running = 0;
        double window = 0;
        bool dead = false;
        std::string why;  // of its last failure; empty: none since it was last reached
        enum class Waits { No, Window, RateDelay, Transport, Dead } waits = Waits::No;
        std::optional<env::SteadyTime> until{};  // of RateDelay and Dead
    };
    std::vector<DestinationState> snapshot(env::SteadyTime now) const;

 private:
    struct Transport;
    struct Message {
        MessageKey key;
        std::deque<Job> jobs;
    };
    struct Sender {
        SenderGroup group;
        std::list<Message> messages;  // front: whose turn it is
    };
    struct Queue {
        const Destination* name = nullptr;
        Transport* transport = nullptr;
        DestinationOptions options;
        double window = 1;
        std::uint32_t running = 0;
        double failures = 0;  // in cohorts
        env::SteadyTime dead_until{};
        env::SteadyTime not_before{};
        std::string why;
        std::list<Sender> senders;  // front: whose turn it is
        std::map<SenderGroup, std::list<Sender>::iterator> by_sender;
        std::map<MessageKey, std::list<Message>::iterator> by_message;
        std::size_t waiting = 0;
        enum class Place { Nowhere, InTurn, Delayed, Resting } place = Place::Nowhere;
        std::list<Queue*>::iterator turn;  // InTurn
        env::SteadyTime rests_until{};     // Resting: without work, but not to be forgotten yet
    };
    struct Transport {
        std::uint32_t running = 0;
        env::SteadyTime not_before{};
        std::list<Queue*> turns;  // those that may start a delivery
    };
    void place(Queue& queue, env::SteadyTime now);
    void displace(Queue& queue);
    Start start(Queue& queue, env::SteadyTime now);
    void open_window(Queue& queue);
    void fail(Queue& queue, const std::string& why, env::SteadyTime now);
    void insert(Queue& queue, Job job);
    Job take(Queue& queue);
    std::uint32_t window(const Queue& queue) const;

    OptionsFor options_;
    std::map<Destination, Queue> queues_;
    std::map<std::string, Transport> transports_;
    std::string last_transport_;  // whose turn it was
    std::set<std::pair<env::SteadyTime, Queue*>> delayed_, resting_;
    std::vector<Returned> returned_;
};

}  // namespace queue
