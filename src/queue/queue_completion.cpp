// What becomes of results: recorded, told to the sender, tried again later, or the message erased.
#include "queue/active_message.hpp"

#include <algorithm>

namespace queue {

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
    Notifier::Notice notice;
    notice.about = id;
    notice.record = active->record;
    if (!failed.empty()) {
        notice.recipients = std::move(failed);
        ok = co_await services_.notifier.send(notice);
    }
    if (!late.empty()) {
        notice.kind = mail::DsnAction::Delayed;
        notice.recipients = std::move(late);
        notice.retry_until = active->record->arrived + options_.retry.maximal_queue_lifetime;
        const bool told = co_await services_.notifier.send(notice);
        if (entry = find(key); entry && told) entry->delay_warned = true;
    }
    if (!succeeded.empty()) {
        notice.kind = succeeded.front().action;
        notice.recipients = std::move(succeeded);
        notice.retry_until.reset();
        const bool told = co_await services_.notifier.send(notice);
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
        const bool expired =
            entry->forced_expire || is_expired(options_.retry, entry->arrived, now, null_sender);
        if (waits && expired) {
            services_.events.emit(base::MessageExpired{entry->id.text(), envelope.sender.text()});
            std::ranges::replace(active->progress, Progress::Deferred, Progress::Failed);
        }
        const bool told = co_await notify(key, active, now);
        entry = find(key);
        if (!entry) co_return;
        // What failed is finished once the sender's notification is safe; until then it is tried again.
        std::ranges::replace(active->progress, Progress::Failed, told ? Progress::Done : Progress::Deferred);
    }
    leave_active(entry->sender);
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
        batch.put(
            env::Keyspace::Envelopes, state_key(id),
            encode(StateRecord{entry->attempts, next, hold, entry->delay_warned, entry->forced_expire}));
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
