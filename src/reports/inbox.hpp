// Reads the mail that arrives at dmarc_report_address into the history, after its 250 and before its
// delivery, on a worker. A mark in the store, written with the message, says that it is still to be read: a
// crash in between reads it at the next start. The mail itself goes on as any other. Belongs to one loop (the
// queue's).
#pragma once

#include "base/event.hpp"
#include "env/loop.hpp"
#include "env/store.hpp"
#include "env/workers.hpp"
#include "queue/store_intake.hpp"
#include "reports/options.hpp"

#include <functional>
#include <memory>
#include <string>

namespace reports {

/// Keyspace::History: written with the message, gone when it has been read.
std::string unread_key(const queue::QueueId& id);
constexpr std::string_view received_prefix = "reports/in/";

class Inbox {
 public:
    struct Services {
        env::Loop& loop;
        env::Store& store;
        env::Workers& workers;
        base::EventSink& events;
    };
    explicit Inbox(Services services);
    ~Inbox();
    /// `authserv_id`: our name in Authentication-Results that can be believed; empty: incoming mail is not
    /// verified.
    void configure(const ReportOptions& options, std::string authserv_id);
    /// What was marked before the program ended; before the queue starts.
    env::Task<void> catch_up();
    /// Reads `arrival`, then hands it to `onward`; in the order of arrival.
    void take(queue::Arrival arrival, std::function<void(queue::Arrival)> onward);
    /// Forgets what is too old, every hour, until the loop ends.
    void start();
    /// Once, now.
    env::Task<void> forget_old();

 private:
    struct State;
    static env::Task<void> work(std::shared_ptr<State> state);
    static env::Task<void> read(std::shared_ptr<State> state, queue::QueueId id,
                                std::shared_ptr<const queue::EnvelopeRecord> record);
    static env::Task<void> keep(std::shared_ptr<State> state, queue::QueueId id,
                                std::vector<std::string> lines);
    static env::Task<void> trim(std::shared_ptr<State> state);
    static env::Task<void> trim_hourly(std::shared_ptr<State> state);
    std::shared_ptr<State> state_;
};

}  // namespace reports
