// The queue manager: an actor on its own loop, plain code, no locks. It keeps a small index of every queued
// message in memory (rebuilt by a scan while mail comes and goes already; envelopes are read when a message's
// turn comes), decides with the Scheduler what is delivered when, records results, sends notifications.
// docs/queue_format.md tells what a crash at each instant leaves behind.
//
// queue_index.cpp: the index and its rebuilding; queue_manager.cpp: activation and delivery;
// queue_completion.cpp: what becomes of results; queue_admin.cpp: what the queue tools do.
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
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace queue {

struct QueueManagerOptions {
    std::uint32_t active_messages_max = 20000;
    std::uint32_t unrecorded_max = 50;
    std::vector<std::string> deferred_transports;
    bool confirm_delay_cleared = false;
    RetryOptions retry;
    static constexpr void describe(auto& parameter) {
        parameter(
            "qmgr_message_active_limit", &QueueManagerOptions::active_messages_max,
            base::Between{1, 10000000},
            "How many messages may be in delivery at once; those of one sender at most four fifths of it.");
        parameter("postrider_unrecorded_deliveries_limit", &QueueManagerOptions::unrecorded_max,
                  base::Between{1, 1000000},
                  "How many ended deliveries may wait for their results to be written before the next ones "
                  "begin: so many may be repeated after a crash.");
        parameter("confirm_delay_cleared", &QueueManagerOptions::confirm_delay_cleared, base::Default{"no"},
                  "Tell the sender who was warned of a delay that the mail has arrived after all.");
        parameter("defer_transports", &QueueManagerOptions::deferred_transports,
                  "Transports whose mail waits until the queue is flushed.");
    }
};

enum class QueueState : std::uint8_t { Active, Deferred, Hold };
std::string_view to_text(QueueState state);

/// What the queue tools show of a message.
struct QueuedMessage {
    QueueId id;
    QueueState state = QueueState::Deferred;
    env::WallTime arrived;
    env::WallTime next_attempt;
    std::uint64_t size = 0;
    bool forced_expire = false;
    std::string sender;
    mail::Origin origin;
    bool smtputf8 = false;
    struct RecipientStatus {
        std::string address, original, dsn_original;
        std::string reason;  // empty: not tried yet
        bool greylisted = false;
    };
    std::vector<RecipientStatus> recipients;  // those that still wait
};

/// What the store holds of a message, without what a running queue manager knows; nullopt: nothing, or it
/// cannot be read.
env::Task<std::optional<QueuedMessage>> describe_stored(env::Store& store, QueueId id);
/// The ids in the store, ascending, those after `after`; empty: no more. Error: it cannot be read.
env::Task<std::expected<std::vector<QueueId>, env::StoreError>> stored_ids(env::Store& store, QueueId after,
                                                                           std::size_t limit);

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
        std::uint64_t epoch =
            0;  // of the ids made since the store was opened: those are announced, not found
    };
    QueueManager(Services services, QueueManagerOptions options);
    ~QueueManager();

    /// Before anything else, and before new mail: finds what messages that never became ours left behind.
    env::Task<std::expected<void, std::string>> load();
    /// On this loop: a message was committed.
    void arrived(Arrival arrival);
    /// Starts delivering, and rebuilding the index beside it.
    void start();
    /// No new deliveries; done when those under way have ended.
    env::Task<void> stop();
    /// New settings, from the next decision on.
    void configure(QueueManagerOptions options);

    // What the queue tools do; the counts are of messages that changed, the errors sentences.
    struct Selection {
        env::WallTime arrived_until = env::WallTime::max();
        std::optional<QueueState> state;
    };
    /// Ascending, those after `after`; empty: no more. Waits while the index is being rebuilt.
    env::Task<void> wait_for_index();
    env::Task<std::vector<QueueId>> ids_after(QueueId after, std::size_t limit, Selection selection);
    env::Task<std::optional<QueuedMessage>> describe(QueueId id);
    /// Null: no such message.
    env::Task<std::unique_ptr<ContentReader>> content(QueueId id);
    using Changed = std::expected<std::size_t, std::string>;
    env::Task<Changed> hold(std::vector<QueueId> ids);
    env::Task<Changed> release(std::vector<QueueId> ids);
    env::Task<Changed> remove(std::vector<QueueId> ids);
    /// The next attempt is the last: what it does not deliver is returned to the sender.
    env::Task<Changed> expire(std::vector<QueueId> ids);
    /// Makes deferred messages due now.
    std::size_t flush(const std::vector<QueueId>& ids);
    /// Makes deferred messages with a waiting recipient at `domain` due, one after another (ETRN, RFC 1985).
    void flush_site(std::string_view domain);
    struct Counts {
        std::size_t active = 0, deferred = 0, hold = 0;
        bool complete = false;  // false: the index is being rebuilt
    };
    Counts counts() const;
    std::vector<Scheduler::DestinationState> destinations() const;

 private:
    struct Active;
    // One for each queued message, a million of them in bad times: keep it small.
    struct Entry {
        QueueId id;
        env::WallTime arrived;
        env::WallTime next_attempt;
        std::uint64_t size = 0;
        std::shared_ptr<Active> active;
        std::uint32_t attempts = 0;
        SenderGroup sender = 0;
        QueueState state = QueueState::Deferred;
        bool delay_warned = false;
        bool forced_expire = false;  // returned as undeliverable at its next attempt
        bool doomed = false;         // deleted while deliveries are under way
        bool hold_when_idle = false;
        bool leaving = false;  // its records are being erased for a queue tool
    };
    struct ById {
        using is_transparent = void;
        static const QueueId& id(const QueueId& id) { return id; }
        static const QueueId& id(const std::pair<const MessageKey, Entry>* at) { return at->second.id; }
        bool operator()(const auto& a, const auto& b) const { return id(a) < id(b); }
    };
    Entry* find(MessageKey key);
    std::pair<const MessageKey, Entry>* find(const QueueId& id);
    MessageKey insert(Entry entry);
    void make_due(MessageKey key, Entry& entry, env::WallTime when);
    void set_hold(MessageKey key, Entry& entry);
    void forget(MessageKey key);
    env::Task<void> rebuild_index();
    void index_page(const std::vector<env::Store::Entry>& page, std::optional<Entry>& pending);
    void place_found(std::optional<Entry>& pending);
    void pump();
    std::optional<MessageKey> next_ready();
    void leave_active(SenderGroup sender);
    void start_deliveries();
    void take_due();
    env::Task<void> wait_for_due();
    env::Task<void> activate(MessageKey key);
    env::Task<std::expected<Route, RouteError>> route_of(const mail::Envelope& envelope, std::uint32_t index);
    env::Task<std::expected<std::shared_ptr<Active>, std::string>> load_active(QueueId id);
    env::Task<void> run_delivery(Scheduler::Start start);
    void apply(Entry& entry, std::uint32_t index, const RecipientResult& result, const std::string& service,
               const DeliveryReport* report);
    void defer_jobs(std::vector<Scheduler::Returned> returned);
    env::Task<void> job_done(MessageKey key, std::vector<std::uint32_t> recipients);
    env::Task<void> complete(MessageKey key);
    env::Task<bool> notify(MessageKey key, std::shared_ptr<Active> active, env::WallTime now);
    env::Task<void> erase(QueueId id, std::shared_ptr<const EnvelopeRecord> record);
    env::Task<Changed> set_states(std::vector<QueueId> ids, QueueState state);
    env::Task<bool> add_erases(env::Batch& batch, QueueId id);
    env::Task<void> sweep(std::vector<std::string> marks);
    env::Task<void> flush_sites();

    Services services_;
    QueueManagerOptions options_;
    Scheduler scheduler_;
    std::unordered_map<MessageKey, Entry> entries_;
    std::set<std::pair<const MessageKey, Entry>*, ById> by_id_;  // into entries_
    FairRow<MessageKey> ready_;                                  // due, waiting for a place among the active
    std::set<std::pair<env::WallTime, MessageKey>> due_;         // deferred, by time
    MessageKey last_key_ = 0;
    std::size_t active_ = 0;
    std::unordered_map<SenderGroup, std::size_t> active_by_sender_;
    std::size_t held_ = 0;
    std::uint32_t unrecorded_ = 0;  // deliveries that ended and whose results are not written yet
    std::size_t deliveries_ = 0;    // deliveries and completions under way
    bool running_ = false;
    bool stopping_ = false;
    bool timer_waiting_ = false;
    bool indexed_ = false;
    std::set<std::string> sites_wanted_;  // lower case; the next walk of flush_sites() takes them
    bool flushing_sites_ = false;         // flush_sites() is under way or about to be
    std::unique_ptr<env::Timer> timer_;
    env::Event idle_;
    env::Event more_indexed_;
};

}  // namespace queue
