// The queue manager: an actor on its own loop, plain code, no locks. It keeps an index of every queued
// message in memory (rebuilt from a scan at start), decides with the Scheduler what is delivered when,
// records results, sends notifications. docs/queue_format.md tells what a crash at each instant leaves
// behind.
#pragma once

#include "base/event.hpp"
#include "base/parameter.hpp"
#include "env/loop.hpp"
#include "env/store.hpp"
#include "queue/notifier.hpp"
#include "queue/retry_policy.hpp"
#include "queue/scheduler.hpp"
#include "queue/store_intake.hpp"
#include "queue/transport.hpp"

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace queue {

struct QueueManagerOptions {
    std::uint32_t active_messages_max = 20000;
    std::vector<std::string> deferred_transports;
    RetryOptions retry;
    static constexpr void describe(auto& parameter) {
        parameter("qmgr_message_active_limit", &QueueManagerOptions::active_messages_max,
                  base::Between{1, 10000000}, "How many messages may be in delivery at once.");
        parameter("defer_transports", &QueueManagerOptions::deferred_transports,
                  "Transports whose mail waits until the queue is flushed.");
    }
};

enum class QueueState { Active, Deferred, Hold };
std::string_view to_text(QueueState state);

/// What the queue tools show of a message.
struct QueuedMessage {
    QueueId id;
    QueueState state = QueueState::Deferred;
    env::WallTime arrived;
    env::WallTime next_attempt;
    std::uint64_t size = 0;
    std::string sender;
    struct RecipientStatus {
        std::string address;
        std::string reason;  // empty: not tried yet
        bool greylisted = false;
    };
    std::vector<RecipientStatus> recipients;  // those that still wait
};

class QueueManager {
 public:
    struct Services {
        env::Loop& loop;
        env::Store& store;
        base::EventSink& events;
        Router& router;
        Notifier& notifier;
        std::function<Transport*(const std::string& name)> transport;  // nullptr: unknown
        Scheduler::OptionsFor destination_options;
        std::function<std::uint32_t(const std::string& transport)> recipient_limit;
    };
    QueueManager(Services services, QueueManagerOptions options);
    ~QueueManager();

    /// Rebuilds the index; before anything else. The number of messages found.
    env::Task<std::expected<std::size_t, std::string>> load();
    /// On this loop: a message was committed.
    void arrived(Arrival arrival);
    /// Starts delivering.
    void start();
    /// No new deliveries; done when those under way have ended.
    env::Task<void> stop();
    /// New settings, from the next decision on.
    void configure(QueueManagerOptions options);

    // What the queue tools do. The counts are of messages that changed.
    std::vector<QueueId> ids() const;
    env::Task<std::optional<QueuedMessage>> describe(QueueId id);
    /// Null: no such message.
    env::Task<std::unique_ptr<ContentReader>> content(QueueId id);
    env::Task<std::size_t> hold(QueueId id);
    env::Task<std::size_t> release(QueueId id);
    env::Task<std::size_t> remove(QueueId id);
    /// Makes deferred messages due now; also lifts dead destinations' waits for them.
    std::size_t flush(const std::function<bool(const QueueId&)>& which);
    struct Counts {
        std::size_t active = 0, deferred = 0, hold = 0;
    };
    Counts counts() const;
    std::vector<Scheduler::DestinationState> destinations() const;

 private:
    struct Active;
    struct Entry {
        QueueId id;
        QueueState state = QueueState::Deferred;
        env::WallTime arrived;
        env::WallTime next_attempt;
        std::uint64_t size = 0;
        std::uint32_t attempts = 0;
        bool delay_warned = false;
        bool doomed = false;  // deleted or held while deliveries are under way
        bool hold_when_idle = false;
        std::shared_ptr<Active> active;
    };
    Entry* find(MessageKey key);
    Entry* find(const QueueId& id);
    MessageKey insert(Entry entry);
    void make_due(MessageKey key, Entry& entry, env::WallTime when);
    void forget(MessageKey key);
    void pump();
    void start_deliveries();
    void take_due();
    env::Task<void> wait_for_due();
    env::Task<void> activate(MessageKey key);
    env::Task<std::expected<std::shared_ptr<Active>, std::string>> load_active(QueueId id);
    env::Task<void> run_delivery(Scheduler::Start start);
    void apply(Entry& entry, std::uint32_t index, const RecipientResult& result, const std::string& service,
               const DeliveryReport* report);
    void defer_jobs(std::vector<Scheduler::Returned> returned);
    env::Task<void> job_done(MessageKey key, std::vector<std::uint32_t> recipients);
    env::Task<void> complete(MessageKey key);
    env::Task<bool> notify(MessageKey key, std::shared_ptr<Active> active, env::WallTime now);
    env::Task<void> erase(QueueId id, std::shared_ptr<const EnvelopeRecord> record);
    env::Task<void> sweep(std::vector<std::string> marks);

    Services services_;
    QueueManagerOptions options_;
    Scheduler scheduler_;
    std::unordered_map<MessageKey, Entry> entries_;
    std::map<QueueId, MessageKey> by_id_;
    std::deque<MessageKey> ready_;                        // due, waiting for a place among the active
    std::set<std::pair<env::WallTime, MessageKey>> due_;  // deferred, by time
    MessageKey last_key_ = 0;
    std::size_t active_ = 0;
    std::size_t deliveries_ = 0;  // deliveries and completions under way
    bool running_ = false;
    bool stopping_ = false;
    bool timer_waiting_ = false;
    std::unique_ptr<env::Timer> timer_;
    env::Event idle_;
};

}  // namespace queue
