// Which delivery is next. Pure: no clock, no I/O; the queue manager asks, delivers, and reports back.
//
// Work comes as jobs: some recipients of one message for one destination (transport and next hop). Each
// destination has a window, the number of deliveries that may run at once. It opens with
// `initial_concurrency`; a delivery that reached the destination opens it by 1/window (one more after a whole
// cohort succeeded), up to the limit; a failure of the destination itself (no connection, no greeting) closes
// it by 1/window. When as many failures as a cohort has deliveries came one after the other
// (`failed_cohort_limit` cohorts), the destination is dead: its jobs are handed back at once, until
// `dead_time` has passed; then one delivery probes it.
//
// Fairness: destinations take turns, so a slow one holds only its own window; within a destination messages
// take turns, job by job, so that a message with 100,000 recipients does not delay a single mail behind it; a
// transport runs at most `process_limit` deliveries in all.
#pragma once

#include "env/clock.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace queue {

struct DestinationOptions {
    std::uint32_t initial_concurrency = 5;
    std::uint32_t concurrency_limit = 20;
    std::uint32_t failed_cohort_limit = 1;
    std::uint32_t process_limit = 100;   // of the whole transport
    std::chrono::seconds rate_delay{0};  // between deliveries to one destination; > 0 means one at a time
    std::chrono::seconds dead_time{300};
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
    std::optional<env::SteadyTime> next_change() const;
    /// Drops the waiting jobs of a message (hold, delete).
    void remove(MessageKey message);

    struct DestinationState {
        Destination destination;
        std::size_t waiting_jobs = 0;
        std::uint32_t running = 0;
        double window = 0;
        bool dead = false;
        std::string why;
    };
    std::vector<DestinationState> snapshot(env::SteadyTime now) const;

 private:
    struct Queue {
        DestinationOptions options;
        double window = 1;
        std::uint32_t running = 0;
        double failures = 0;  // in cohorts
        env::SteadyTime dead_until{};
        env::SteadyTime not_before{};
        std::string why;
        std::list<std::pair<MessageKey, std::deque<Job>>> messages;  // front: whose turn it is
        std::map<MessageKey, std::list<std::pair<MessageKey, std::deque<Job>>>::iterator> by_message;
        std::size_t waiting = 0;
        bool listed = false;  // in turns_
    };
    bool may_start(const Queue& queue, env::SteadyTime now) const;
    void list(const Destination& destination, Queue& queue);
    OptionsFor options_;
    std::map<Destination, Queue> queues_;
    std::deque<Destination> turns_;  // destinations with waiting jobs
    std::map<std::string, std::uint32_t> running_by_transport_;
    std::vector<Returned> returned_;
};

}  // namespace queue
