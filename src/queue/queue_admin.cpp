// What the queue tools do with the queue manager (queue_manager.hpp).
#include "base/text.hpp"
#include "queue/queue_manager.hpp"
#include "queue/store_content.hpp"

#include <algorithm>

namespace queue {

env::Task<void> QueueManager::wait_for_index() {
    while (!indexed_ && !stopping_) co_await more_indexed_.wait();
}

env::Task<std::vector<QueueId>> QueueManager::ids_after(QueueId after, std::size_t limit,
                                                        Selection selection) {
    for (;;) {
        std::vector<QueueId> out;
        const bool complete = indexed_ || stopping_;
        for (auto at = by_id_.upper_bound(after); at != by_id_.end() && out.size() < limit; ++at) {
            const Entry& entry = (*at)->second;
            if (entry.arrived > selection.arrived_until || entry.leaving) continue;
            if (!selection.state || *selection.state == entry.state) out.push_back(entry.id);
        }
        if (complete || !out.empty()) co_return out;
        co_await more_indexed_.wait();
    }
}

QueueManager::Counts QueueManager::counts() const {
    return {active_, entries_.size() - active_ - held_, held_, indexed_};
}

std::vector<Scheduler::DestinationState> QueueManager::destinations() const {
    return scheduler_.snapshot(services_.loop.clock().steady());
}

env::Task<std::optional<QueuedMessage>> QueueManager::describe(QueueId id) {
    if (!find(id)) co_return std::nullopt;
    auto out = co_await describe_stored(services_.store, id);
    const auto* found = find(id);
    if (!out || !found) co_return std::nullopt;
    const Entry& entry = found->second;
    out->state = entry.state;
    out->next_attempt = entry.next_attempt;
    out->forced_expire = entry.forced_expire;
    co_return out;
}

env::Task<std::unique_ptr<ContentReader>> QueueManager::content(QueueId id) {
    auto bytes = co_await services_.store.read(env::Keyspace::Envelopes, envelope_key(id));
    if (!bytes || !*bytes) co_return nullptr;
    auto record = decode_envelope(**bytes);
    if (!record) co_return nullptr;
    co_return std::make_unique<StoreContent>(services_.store, id, *record);
}

namespace {

std::string failure(env::StoreError error) {
    switch (error) {
        case env::StoreError::NoSpace:
            return "the disk of the queue is full: make room on the file system of postrider_store_directory "
                   "and try again";
        case env::StoreError::Closed:
            return "the server stops";
        case env::StoreError::Io:
            break;
    }
    return "the queue's store fails: look into the log and at the disk";
}

}  // namespace

/// To hold, or from hold to due now.
env::Task<QueueManager::Changed> QueueManager::set_states(std::vector<QueueId> ids, QueueState state) {
    const bool hold = state == QueueState::Hold;
    const auto now = services_.loop.clock().wall();
    std::size_t count = 0;
    env::Batch batch;
    for (const auto& id : ids) {
        auto* found = find(id);
        if (!found) continue;
        auto& [key, entry] = *found;
        if (entry.leaving || entry.doomed || hold == (entry.state == QueueState::Hold)) continue;
        if (hold && entry.state == QueueState::Active) {
            entry.hold_when_idle = true;  // a delivery under way cannot be called back
            ++count;
            continue;
        }
        if (!hold && entry.state != QueueState::Hold) continue;
        if (hold)
            set_hold(key, entry);
        else
            make_due(key, entry, now);
        batch.put(env::Keyspace::Envelopes, state_key(id),
                  encode(StateRecord{entry.attempts, entry.next_attempt, hold, entry.delay_warned,
                                     entry.forced_expire}));
        ++count;
    }
    if (!batch.empty()) {
        auto done = co_await services_.store.commit(std::move(batch), env::Durability::Synced);
        if (!done) co_return std::unexpected(failure(done.error()));
    }
    take_due();
    pump();
    co_return count;
}

env::Task<QueueManager::Changed> QueueManager::hold(std::vector<QueueId> ids) {
    return set_states(std::move(ids), QueueState::Hold);
}

env::Task<QueueManager::Changed> QueueManager::release(std::vector<QueueId> ids) {
    return set_states(std::move(ids), QueueState::Deferred);
}

env::Task<QueueManager::Changed> QueueManager::expire(std::vector<QueueId> ids) {
    std::size_t count = 0;
    env::Batch batch;
    for (const auto& id : ids) {
        auto* found = find(id);
        if (!found) continue;
        auto& [key, entry] = *found;
        if (entry.leaving || entry.doomed || entry.forced_expire) continue;
        entry.forced_expire = true;
        const bool hold = entry.state == QueueState::Hold;
        batch.put(env::Keyspace::Envelopes, state_key(id),
                  encode(StateRecord{entry.attempts, entry.next_attempt, hold, entry.delay_warned, true}));
        ++count;
    }
    if (!batch.empty()) {
        auto done = co_await services_.store.commit(std::move(batch), env::Durability::Synced);
        if (!done) co_return std::unexpected(failure(done.error()));
    }
    flush(ids);
    co_return count;
}

/// The keys of a message, as they are in the store. False: it cannot be read.
env::Task<bool> QueueManager::add_erases(env::Batch& batch, QueueId id) {
    auto records =
        co_await services_.store.scan(env::Keyspace::Envelopes, envelope_key(id), end_key(id), SIZE_MAX);
    if (!records || records->empty()) co_return false;
    const auto envelope = decode_envelope(records->front().value);
    if (!envelope) co_return false;
    for (auto& record : *records) batch.erase(env::Keyspace::Envelopes, std::move(record.key));
    for (std::uint32_t i = 0; i < envelope->chunks; ++i) batch.erase(env::Keyspace::Bodies, body_key(id, i));
    co_return true;
}

env::Task<QueueManager::Changed> QueueManager::remove(std::vector<QueueId> ids) {
    std::size_t count = 0;
    std::vector<QueueId> leaving;
    env::Batch batch;
    for (const auto& id : ids) {
        auto* found = find(id);
        if (!found || found->second.doomed || found->second.leaving) continue;
        if (found->second.state == QueueState::Active) {
            found->second.doomed = true;  // erased when the deliveries under way have ended
            ++count;
            continue;
        }
        found->second.leaving = true;
        const bool added = co_await add_erases(batch, id);
        if (added) {
            leaving.push_back(id);
            continue;
        }
        if (found = find(id); found) found->second.leaving = false;
    }
    std::expected<void, env::StoreError> done;
    if (!batch.empty()) done = co_await services_.store.commit(std::move(batch), env::Durability::Buffered);
    const auto now = services_.loop.clock().wall();
    for (const auto& id : leaving) {
        auto* found = find(id);
        if (done) {
            forget(found->first);
            services_.events.emit(base::MessageRemoved{id.text()});
            ++count;
            continue;
        }
        found->second.leaving = false;
        // Its turn may have come and gone meanwhile.
        if (found->second.state == QueueState::Deferred) {
            due_.erase({found->second.next_attempt, found->first});
            make_due(found->first, found->second, std::max(found->second.next_attempt, now));
        }
    }
    if (!done) co_return std::unexpected(failure(done.error()));
    co_return count;
}

std::size_t QueueManager::flush(const std::vector<QueueId>& ids) {
    std::size_t count = 0;
    const auto now = services_.loop.clock().wall();
    for (const auto& id : ids) {
        auto* found = find(id);
        if (!found || found->second.state != QueueState::Deferred || found->second.leaving) continue;
        auto& [key, entry] = *found;
        if (due_.erase({entry.next_attempt, key}) == 0) continue;  // due already
        make_due(key, entry, now);
        ++count;
    }
    take_due();
    pump();
    return count;
}

// However many ask, one walk is under way, and one more takes all who asked meanwhile.
void QueueManager::flush_site(std::string_view domain) {
    sites_wanted_.insert(base::lower(domain));
    if (std::exchange(flushing_sites_, true)) return;
    services_.loop.spawn(flush_sites());
}

env::Task<void> QueueManager::flush_sites() {
    constexpr std::size_t page = 100;
    Selection deferred;
    deferred.state = QueueState::Deferred;
    while (!sites_wanted_.empty() && !stopping_) {
        const auto sites = std::exchange(sites_wanted_, {});
        const auto is_wanted = [&](const QueuedMessage::RecipientStatus& recipient) {
            return sites.contains(base::lower(recipient.address.substr(recipient.address.rfind('@') + 1)));
        };
        const QueueId before_all;
        auto ids = co_await ids_after(before_all, page, deferred);
        while (!ids.empty() && !stopping_) {
            std::vector<QueueId> due;
            for (const auto& id : ids) {
                const auto message = co_await describe(id);
                if (message && std::ranges::any_of(message->recipients, is_wanted)) due.push_back(id);
            }
            flush(due);
            co_await services_.loop.sleep(std::chrono::nanoseconds(0));
            ids = co_await ids_after(ids.back(), page, deferred);
        }
    }
    flushing_sites_ = false;
}

}  // namespace queue
