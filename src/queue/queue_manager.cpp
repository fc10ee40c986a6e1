#include "queue/queue_manager.hpp"

#include "base/check.hpp"
#include "queue/store_content.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace queue {

enum class Progress : std::uint8_t { Pending, Done, Failed, Deferred };

/// What is kept of a message while it is in delivery.
struct QueueManager::Active {
    std::shared_ptr<const EnvelopeRecord> record;
    std::vector<Progress> progress;                      // by recipient
    std::map<std::uint32_t, RecipientRecord> results;    // of this attempt, for records and notifications
    std::map<std::uint32_t, mail::DsnAction> succeeded;  // what the sender wants to be told of
    std::size_t outstanding = 0;                         // jobs not finished
    env::SteadyTime since;
};

std::string_view to_text(QueueState state) {
    constexpr std::string_view words[] = {"active", "deferred", "hold"};
    return words[static_cast<std::size_t>(state)];
}

QueueManager::QueueManager(Services services, QueueManagerOptions options)
    : services_(std::move(services)),
      options_(std::move(options)),
      scheduler_(services_.destination_options),
      timer_(services_.loop.make_timer()),
      idle_(services_.loop) {}
QueueManager::~QueueManager() = default;

QueueManager::Entry* QueueManager::find(MessageKey key) {
    const auto at = entries_.find(key);
    return at == entries_.end() ? nullptr : &at->second;
}

QueueManager::Entry* QueueManager::find(const QueueId& id) {
    const auto at = by_id_.find(id);
    return at == by_id_.end() ? nullptr : find(at->second);
}

MessageKey QueueManager::insert(Entry entry) {
    const MessageKey key = ++last_key_;
    by_id_.emplace(entry.id, key);
    entries_.emplace(key, std::move(entry));
    return key;
}

void QueueManager::make_due(MessageKey key, Entry& entry, env::WallTime when) {
    entry.state = QueueState::Deferred;
    entry.next_attempt = when;
    due_.emplace(when, key);
}

void QueueManager::forget(MessageKey key) {
    Entry* entry = find(key);
    due_.erase({entry->next_attempt, key});
    by_id_.erase(entry->id);
    entries_.erase(key);
}

env::Task<std::expected<std::size_t, std::string>> QueueManager::load() {
    constexpr std::size_t page = 1000;
    const std::string first(incoming_prefix);
    auto left = co_await services_.store.scan(env::Keyspace::Meta, first, first + '\xff', SIZE_MAX);
    if (!left) co_return std::unexpected("the queue cannot be read");
    std::vector<std::string> marks;
    for (auto& entry : *left) marks.push_back(std::move(entry.key));
    if (!marks.empty()) services_.loop.spawn(sweep(std::move(marks)));
    std::string from;
    Entry* current = nullptr;
    MessageKey current_key = 0;
    for (;;) {
        auto entries = co_await services_.store.scan(env::Keyspace::Envelopes, from, "", page);
        if (!entries) co_return std::unexpected("the queue cannot be read");
        for (const auto& [key, value] : *entries) {
            const auto parsed = parse_key(key);
            if (!parsed) continue;
            if (parsed->kind == EnvelopeKey::Kind::Envelope) {
                const auto record = decode_envelope(value);
                current = nullptr;
                if (!record) {
                    services_.events.note(
                        base::Severity::Error, "qmgr",
                        parsed->id.text() + ": the envelope cannot be read; the message is left alone");
                    continue;
                }
                Entry entry;
                entry.id = parsed->id;
                entry.arrived = record->arrived;
                entry.size = record->size;
                current_key = insert(std::move(entry));
                current = find(current_key);
                make_due(current_key, *current, current->arrived);
            } else if (parsed->kind == EnvelopeKey::Kind::State && current && current->id == parsed->id) {
                const auto state = decode_state(value);
                if (!state) continue;
                current->attempts = state->attempts;
                current->delay_warned = state->delay_warned;
                due_.erase({current->next_attempt, current_key});
                if (state->hold)
                    current->state = QueueState::Hold;
                else
                    make_due(current_key, *current, state->next_attempt);
            }
        }
        if (entries->size() < page) break;
        from = entries->back().key + '\0';
    }
    co_return entries_.size();
}

/// Chunks that never became a message, as found before the first new one was begun. Tried again while the
/// store fails.
env::Task<void> QueueManager::sweep(std::vector<std::string> marks) {
    constexpr auto pause = std::chrono::seconds(1);
    for (const auto& mark : marks) {
        const auto id = QueueId::parse(std::string_view(mark).substr(incoming_prefix.size()));
        while (!stopping_) {
            env::Batch batch;
            batch.erase(env::Keyspace::Meta, mark);
            bool known = true;
            if (id) {
                auto envelope = co_await services_.store.read(env::Keyspace::Envelopes, envelope_key(*id));
                known = envelope.has_value();
                if (known && !*envelope) batch.erase_range(env::Keyspace::Bodies, id->text(), end_key(*id));
            }
            if (known) {
                auto done = co_await services_.store.commit(std::move(batch), env::Durability::Buffered);
                if (done) break;
            }
            co_await services_.loop.sleep(pause);
        }
    }
}

void QueueManager::arrived(Arrival arrival) {
    Entry entry;
    entry.id = arrival.id;
    entry.arrived = arrival.record->arrived;
    entry.next_attempt = entry.arrived;
    entry.size = arrival.record->size;
    const bool hold = arrival.record->envelope.hold;
    if (hold) entry.state = QueueState::Hold;
    const MessageKey key = insert(std::move(entry));
    if (hold) return;
    Entry& placed = *find(key);
    // The envelope is at hand only while there is room: a backlog is read back when its turn comes.
    if (active_ + ready_.size() < options_.active_messages_max) {
        placed.active = std::make_shared<Active>();
        placed.active->record = std::move(arrival.record);
        placed.active->progress.assign(placed.active->record->envelope.recipients.size(), Progress::Pending);
    }
    ready_.push_back(key);
    pump();
}

void QueueManager::start() {
    running_ = true;
    take_due();
    pump();
}

env::Task<void> QueueManager::stop() {
    running_ = false;
    stopping_ = true;
    timer_->cancel();
    while (deliveries_ > 0) co_await idle_.wait();
}

void QueueManager::configure(QueueManagerOptions options) { options_ = std::move(options); }

void QueueManager::take_due() {
    const auto now = services_.loop.clock().wall();
    while (!due_.empty() && due_.begin()->first <= now) {
        const MessageKey key = due_.begin()->second;
        due_.erase(due_.begin());
        ready_.push_back(key);
    }
}

void QueueManager::pump() {
    if (!running_) return;
    while (!ready_.empty() && active_ < options_.active_messages_max) {
        const MessageKey key = ready_.front();
        ready_.pop_front();
        Entry* entry = find(key);
        if (!entry || entry->state == QueueState::Hold) continue;
        entry->state = QueueState::Active;
        ++active_;
        ++deliveries_;
        services_.loop.spawn(activate(key));
    }
    start_deliveries();
    if (!timer_waiting_) {
        timer_waiting_ = true;
        services_.loop.spawn(wait_for_due());
    }
}

void QueueManager::start_deliveries() {
    while (running_) {
        auto start = scheduler_.next(services_.loop.clock().steady());
        if (!start) return;
        ++deliveries_;
        services_.loop.spawn(run_delivery(std::move(*start)));
    }
}

env::Task<void> QueueManager::wait_for_due() {
    constexpr auto look_again = std::chrono::seconds(1);
    while (running_) {
        const auto now = services_.loop.clock().steady();
        auto until = now + look_again;
        if (const auto change = scheduler_.next_change(now))
            until = std::min(until, std::max(*change, now + std::chrono::milliseconds(1)));
        co_await timer_->wait_until(until);
        if (!running_) break;
        take_due();
        timer_waiting_ = true;
        pump();
    }
    timer_waiting_ = false;
}

env::Task<std::expected<std::shared_ptr<QueueManager::Active>, std::string>> QueueManager::load_active(
    QueueId id) {
    auto bytes = co_await services_.store.read(env::Keyspace::Envelopes, envelope_key(id));
    if (!bytes || !*bytes) co_return std::unexpected(std::string("the envelope cannot be read"));
    auto record = decode_envelope(**bytes);
    if (!record) co_return std::unexpected(std::string("the envelope is damaged"));
    auto active = std::make_shared<Active>();
    active->progress.assign(record->envelope.recipients.size(), Progress::Pending);
    active->record = std::make_shared<const EnvelopeRecord>(std::move(*record));
    auto results = co_await services_.store.scan(env::Keyspace::Envelopes, envelope_key(id) + '\0',
                                                 end_key(id), SIZE_MAX);
    if (!results) co_return std::unexpected(std::string("the recipients' states cannot be read"));
    for (const auto& [key, value] : *results) {
        const auto parsed = parse_key(key);
        if (!parsed || parsed->kind != EnvelopeKey::Kind::Recipient ||
            parsed->index >= active->progress.size())
            continue;
        const auto result = decode_recipient(value);
        if (result && result->kind != RecipientResult::Kind::Deferred)
            active->progress[parsed->index] = Progress::Done;
    }
    co_return active;
}

env::Task<void> QueueManager::activate(MessageKey key) {
    std::shared_ptr<Active> active;
    QueueId id;
    if (Entry* entry = find(key)) {
        id = entry->id;
        active = entry->active;
    }
    if (!active) {
        auto loaded = co_await load_active(id);
        Entry* entry = find(key);
        if (!entry || !loaded) {
            if (entry) {
                services_.events.note(base::Severity::Error, "qmgr",
                                      fmt::format("{}: {}", id.text(), loaded.error()));
                make_due(key, *entry, services_.loop.clock().wall() + options_.retry.minimal_backoff);
            }
            --active_;
            if (--deliveries_ == 0) idle_.notify_all();
            co_return;
        }
        active = entry->active = std::move(*loaded);
    }
    const mail::Envelope& envelope = active->record->envelope;
    active->since = services_.loop.clock().steady();
    ++active->outstanding;  // this activation itself: complete() must wait for all jobs to be known
    const auto pending = static_cast<std::size_t>(
        std::ranges::count_if(active->progress, [](Progress p) { return p != Progress::Done; }));
    services_.events.emit(
        base::MessageActive{id.text(), envelope.sender.text(), active->record->size, pending});
    std::map<Destination, std::vector<std::uint32_t>> groups;
    std::vector<std::uint32_t> touched;
    for (std::uint32_t i = 0; i < active->progress.size(); ++i) {
        if (active->progress[i] == Progress::Done) continue;
        active->progress[i] = Progress::Pending;
        auto route = co_await services_.router.route(envelope.sender, envelope.recipients[i].address);
        Entry* entry = find(key);
        if (!entry || entry->doomed) break;
        if (!route) {
            RecipientResult result;
            result.kind = route.error().status.is_permanent() ? RecipientResult::Kind::Failed
                                                              : RecipientResult::Kind::Deferred;
            result.status = route.error().status;
            result.text = route.error().text;
            apply(*entry, i, result, "error", nullptr);
            touched.push_back(i);
            continue;
        }
        Destination destination{route->transport, route->next_hop};
        if (std::ranges::find(options_.deferred_transports, route->transport) !=
            options_.deferred_transports.end()) {
            RecipientResult result;
            result.status = {4, 3, 2};
            result.text = "deferred transport";
            apply(*entry, i, result, "error", nullptr);
            touched.push_back(i);
            continue;
        }
        groups[std::move(destination)].push_back(i);
    }
    for (auto& [destination, recipients] : groups) {
        const std::size_t limit = std::max(services_.recipient_limit(destination.transport), 1U);
        for (std::size_t at = 0; at < recipients.size(); at += limit) {
            const auto end = std::min(at + limit, recipients.size());
            Job job{key,
                    {recipients.begin() + static_cast<std::ptrdiff_t>(at),
                     recipients.begin() + static_cast<std::ptrdiff_t>(end)}};
            ++active->outstanding;
            if (scheduler_.is_dead(destination, services_.loop.clock().steady())) {
                std::vector<Scheduler::Returned> returned;
                returned.push_back(
                    {destination, {std::move(job)}, "the destination did not answer a moment ago"});
                defer_jobs(std::move(returned));
            } else {
                scheduler_.add(destination, std::move(job));
            }
        }
    }
    start_deliveries();
    co_await job_done(key, std::move(touched));
}

env::Task<void> QueueManager::run_delivery(Scheduler::Start start) {
    const MessageKey key = start.job.message;
    Entry* entry = find(key);
    const Destination destination = start.destination;
    if (!entry || entry->doomed || !entry->active) {
        scheduler_.finished(destination, Scheduler::Outcome::Reached, "", services_.loop.clock().steady());
        std::vector<std::uint32_t> nobody;
        co_await job_done(key, std::move(nobody));
        co_return;
    }
    const std::shared_ptr<Active> active = entry->active;
    DeliveryReport report;
    Transport* transport = services_.transport(destination.transport);
    if (transport) {
        DeliveryRequest request;
        request.id = entry->id;
        request.envelope = std::shared_ptr<const mail::Envelope>(active->record, &active->record->envelope);
        for (const auto index : start.job.recipients)
            request.recipients.push_back(active->record->envelope.recipients[index]);
        request.transport = destination.transport;
        request.next_hop = destination.next_hop;
        request.content = std::make_unique<StoreContent>(services_.store, entry->id, *active->record);
        request.arrived = active->record->arrived;
        request.attempt = static_cast<int>(entry->attempts);
        report = co_await transport->deliver(std::move(request));
        CHECK(report.recipients.size() == start.job.recipients.size());
    } else {
        RecipientResult unknown;
        unknown.status = {4, 3, 5};
        unknown.text =
            "mail transport '" + destination.transport + "' unavailable: no such service in master.cf";
        report.recipients.assign(start.job.recipients.size(), unknown);
    }
    const auto failed =
        std::ranges::find_if(report.recipients, [](const auto& r) { return r.destination_failed; });
    const bool dead = failed != report.recipients.end();
    scheduler_.finished(destination,
                        dead ? Scheduler::Outcome::DestinationFailed : Scheduler::Outcome::Reached,
                        dead ? failed->text : "", services_.loop.clock().steady());
    if (entry = find(key); entry) {
        for (std::size_t i = 0; i < start.job.recipients.size(); ++i)
            apply(*entry, start.job.recipients[i], report.recipients[i], destination.transport, &report);
    }
    defer_jobs(scheduler_.take_returned());
    start_deliveries();
    co_await job_done(key, std::move(start.job.recipients));
}

void QueueManager::defer_jobs(std::vector<Scheduler::Returned> returned) {
    for (auto& group : returned) {
        for (auto& job : group.jobs) {
            Entry* entry = find(job.message);
            if (!entry || !entry->active) continue;
            RecipientResult result;
            result.status = {4, 4, 1};
            result.text = "delivery temporarily suspended: " + group.why;
            for (const auto index : job.recipients) apply(*entry, index, result, "error", nullptr);
            ++deliveries_;
            services_.loop.spawn(job_done(job.message, std::move(job.recipients)));
        }
    }
}

void QueueManager::apply(Entry& entry, std::uint32_t index, const RecipientResult& result,
                         const std::string& service, const DeliveryReport* report) {
    Active& active = *entry.active;
    const mail::Recipient& recipient = active.record->envelope.recipients[index];
    base::DeliveryAttempt event;
    event.service = service;
    event.queue_id = entry.id.text();
    event.recipient = recipient.address.text();
    event.original_recipient = recipient.original.text();
    event.relay = result.relay;
    const auto seconds = [](auto duration) { return std::chrono::duration<double>(duration).count(); };
    const double in_queue_manager = seconds(services_.loop.clock().steady() - active.since);
    event.delay = seconds(services_.loop.clock().wall() - entry.arrived);
    const double setup = report ? report->setup_seconds : 0;
    const double transmission = report ? report->transmission_seconds : 0;
    event.delays[0] = std::max(0.0, event.delay - in_queue_manager);
    event.delays[1] = std::max(0.0, in_queue_manager - setup - transmission);
    event.delays[2] = setup;
    event.delays[3] = transmission;
    event.connection_uses = report ? report->connection_uses : 1;
    event.dsn = result.status.text();
    event.text = result.text;
    using Kind = RecipientResult::Kind;
    switch (result.kind) {
        case Kind::Delivered:
            event.outcome = base::DeliveryOutcome::Sent;
            break;
        case Kind::Expanded:
            event.outcome = base::DeliveryOutcome::Expanded;
            break;
        case Kind::Deferred:
            event.outcome = base::DeliveryOutcome::Deferred;
            break;
        case Kind::Failed:
            event.outcome = base::DeliveryOutcome::Bounced;
            break;
    }
    if (result.greylisted && result.kind == Kind::Deferred)
        event.text += " (greylisted: will be tried again soon)";
    services_.events.emit(event);
    const bool delivered = result.kind == Kind::Delivered || result.kind == Kind::Expanded;
    active.progress[index] = delivered                     ? Progress::Done
                             : result.kind == Kind::Failed ? Progress::Failed
                                                           : Progress::Deferred;
    active.results[index] = RecipientRecord{result.kind,       result.status,     result.text,
                                            result.remote_mta, result.diagnostic, result.greylisted};
    // Who took over the notification sends it (RFC 3461 §5.2.2).
    if (delivered && mail::has(recipient.notify, mail::Notify::Success) && !result.dsn_passed_on)
        active.succeeded[index] = result.kind == Kind::Expanded ? mail::DsnAction::Expanded
                                  : result.relayed              ? mail::DsnAction::Relayed
                                                                : mail::DsnAction::Delivered;
}

env::Task<void> QueueManager::job_done(MessageKey key, std::vector<std::uint32_t> recipients) {
    Entry* entry = find(key);
    if (entry && entry->active) {
        Active& active = *entry->active;
        const bool last = --active.outstanding == 0;
        if (last) {
            co_await complete(key);
        } else {
            // Delivered recipients are noted at once (not synced: a crash may deliver twice, never lose).
            env::Batch batch;
            for (const auto index : recipients)
                if (active.progress[index] == Progress::Done)
                    batch.put(env::Keyspace::Envelopes, recipient_key(entry->id, index),
                              encode(active.results[index]));
            if (!batch.empty()) co_await services_.store.commit(std::move(batch), env::Durability::Buffered);
        }
    }
    if (--deliveries_ == 0) idle_.notify_all();
}

env::Task<bool> QueueManager::notify(MessageKey key, std::shared_ptr<Active> active, env::WallTime now) {
    Entry* entry = find(key);
    const QueueId id = entry->id;
    const auto& envelope = active->record->envelope;
    std::vector<mail::DsnRecipient> failed, late, succeeded;
    const bool warn = options_.retry.delay_warning_time.count() > 0 && !entry->delay_warned &&
                      now - entry->arrived >= options_.retry.delay_warning_time;
    for (const auto& [index, result] : active->results) {
        const auto& recipient = envelope.recipients[index];
        const auto wants = [&](mail::Notify bit) {
            return recipient.notify == mail::Notify::Default || mail::has(recipient.notify, bit);
        };
        mail::DsnRecipient line{recipient,   mail::DsnAction::Failed, result.status,
                                result.text, result.remote_mta,       result.diagnostic};
        if (active->progress[index] == Progress::Failed && wants(mail::Notify::Failure))
            failed.push_back(std::move(line));
        else if (active->progress[index] == Progress::Deferred && warn && wants(mail::Notify::Delay)) {
            line.action = mail::DsnAction::Delayed;
            late.push_back(std::move(line));
        }
    }
    for (const auto& [index, action] : active->succeeded) {
        const auto& result = active->results[index];
        succeeded.push_back(
            {envelope.recipients[index], action, result.status, result.text, result.remote_mta, ""});
    }
    bool ok = true;
    if (!failed.empty())
        ok = co_await services_.notifier.send(mail::DsnAction::Failed, id, active->record, std::move(failed),
                                              std::nullopt);
    if (!late.empty()) {
        const bool told =
            co_await services_.notifier.send(mail::DsnAction::Delayed, id, active->record, std::move(late),
                                             active->record->arrived + options_.retry.maximal_queue_lifetime);
        if (entry = find(key); entry && told) entry->delay_warned = true;
    }
    if (!succeeded.empty()) {
        const auto kind = succeeded.front().action;
        const bool told =
            co_await services_.notifier.send(kind, id, active->record, std::move(succeeded), std::nullopt);
        if (told) active->succeeded.clear();
    }
    co_return ok;
}

env::Task<void> QueueManager::complete(MessageKey key) {
    Entry* entry = find(key);
    const std::shared_ptr<Active> active = entry->active;
    const auto& envelope = active->record->envelope;
    const auto now = services_.loop.clock().wall();
    if (!entry->doomed) {
        const auto null_sender = envelope.sender.is_null() ? NullSender::Yes : NullSender::No;
        const bool waits = std::ranges::find(active->progress, Progress::Deferred) != active->progress.end();
        if (waits && is_expired(options_.retry, entry->arrived, now, null_sender)) {
            services_.events.emit(base::MessageExpired{entry->id.text(), envelope.sender.text()});
            std::ranges::replace(active->progress, Progress::Deferred, Progress::Failed);
        }
        const bool told = co_await notify(key, active, now);
        entry = find(key);
        if (!entry) co_return;
        // What failed is finished once the sender's notification is safe; until then it is tried again.
        std::ranges::replace(active->progress, Progress::Failed, told ? Progress::Done : Progress::Deferred);
    }
    --active_;
    const QueueId id = entry->id;
    const bool finished = entry->doomed || std::ranges::all_of(active->progress, [](Progress p) {
                              return p == Progress::Done;
                          });
    if (finished) {
        forget(key);
        co_await erase(id, active->record);
        services_.events.emit(base::MessageRemoved{id.text()});
    } else {
        ++entry->attempts;
        const bool greylisted = std::ranges::all_of(active->results, [&](const auto& r) {
            return active->progress[r.first] != Progress::Deferred || r.second.greylisted;
        });
        const auto next = now + next_wait(options_.retry, entry->arrived, now, greylisted);
        env::Batch batch;
        for (const auto& [index, result] : active->results) {
            RecipientRecord stored = result;
            if (active->progress[index] == Progress::Done && stored.kind == RecipientResult::Kind::Deferred)
                stored.kind = RecipientResult::Kind::Failed;
            if (active->progress[index] == Progress::Deferred) stored.kind = RecipientResult::Kind::Deferred;
            batch.put(env::Keyspace::Envelopes, recipient_key(id, index), encode(stored));
        }
        const bool hold = entry->hold_when_idle;
        batch.put(env::Keyspace::Envelopes, state_key(id),
                  encode(StateRecord{entry->attempts, next, hold, entry->delay_warned}));
        entry->active = nullptr;
        entry->hold_when_idle = false;
        if (hold)
            entry->state = QueueState::Hold;
        else
            make_due(key, *entry, next);
        co_await services_.store.commit(std::move(batch), env::Durability::Buffered);
    }
    pump();
}

env::Task<void> QueueManager::erase(QueueId id, std::shared_ptr<const EnvelopeRecord> record) {
    env::Batch batch;
    batch.erase(env::Keyspace::Envelopes, envelope_key(id));
    // Key by key, which the store does faster than a range, unless there are many.
    constexpr std::uint32_t few = 16;
    const auto recipients = static_cast<std::uint32_t>(record->envelope.recipients.size());
    batch.erase(env::Keyspace::Envelopes, state_key(id));
    if (recipients > few) batch.erase_range(env::Keyspace::Envelopes, envelope_key(id) + '\0', end_key(id));
    for (std::uint32_t i = 0; i < recipients && recipients <= few; ++i)
        batch.erase(env::Keyspace::Envelopes, recipient_key(id, i));
    for (std::uint32_t i = 0; i < record->chunks; ++i) batch.erase(env::Keyspace::Bodies, body_key(id, i));
    // Not synced: after a crash the message may be delivered again, which is the lesser evil. While the store
    // fails it is tried again: a message left there would come back at the next start.
    constexpr auto pause = std::chrono::seconds(1);
    for (;;) {
        env::Batch copy = batch;
        auto done = co_await services_.store.commit(std::move(copy), env::Durability::Buffered);
        if (done || stopping_) co_return;
        co_await services_.loop.sleep(pause);
    }
}

}  // namespace queue
