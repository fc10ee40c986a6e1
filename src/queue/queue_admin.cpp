// What the queue tools do with the queue manager (queue_manager.hpp).
#include "queue/queue_manager.hpp"
#include "queue/store_content.hpp"

namespace queue {

std::vector<QueueId> QueueManager::ids() const {
    std::vector<QueueId> out;
    out.reserve(by_id_.size());
    for (const auto& [id, key] : by_id_) out.push_back(id);
    return out;
}

QueueManager::Counts QueueManager::counts() const {
    Counts out;
    for (const auto& [key, entry] : entries_) {
        if (entry.state == QueueState::Active)
            ++out.active;
        else if (entry.state == QueueState::Hold)
            ++out.hold;
        else
            ++out.deferred;
    }
    return out;
}

std::vector<Scheduler::DestinationState> QueueManager::destinations() const {
    return scheduler_.snapshot(services_.loop.clock().steady());
}

env::Task<std::optional<QueuedMessage>> QueueManager::describe(QueueId id) {
    QueuedMessage out;
    if (const Entry* entry = find(id)) {
        out.id = entry->id;
        out.state = entry->state;
        out.arrived = entry->arrived;
        out.next_attempt = entry->next_attempt;
        out.size = entry->size;
    } else {
        co_return std::nullopt;
    }
    auto bytes = co_await services_.store.read(env::Keyspace::Envelopes, envelope_key(id));
    if (!bytes || !*bytes) co_return std::nullopt;
    const auto record = decode_envelope(**bytes);
    if (!record) co_return std::nullopt;
    out.sender = record->envelope.sender.text();
    auto stored = co_await services_.store.scan(env::Keyspace::Envelopes, envelope_key(id) + '\0',
                                                end_key(id), SIZE_MAX);
    std::map<std::uint32_t, RecipientRecord> results;
    if (stored) {
        for (const auto& [key, value] : *stored) {
            const auto parsed = parse_key(key);
            if (!parsed || parsed->kind != EnvelopeKey::Kind::Recipient) continue;
            if (auto result = decode_recipient(value)) results.emplace(parsed->index, std::move(*result));
        }
    }
    for (std::uint32_t i = 0; i < record->envelope.recipients.size(); ++i) {
        const auto result = results.find(i);
        if (result != results.end() && result->second.kind != RecipientResult::Kind::Deferred) continue;
        QueuedMessage::RecipientStatus status;
        status.address = record->envelope.recipients[i].address.text();
        if (result != results.end()) {
            status.reason = result->second.text;
            status.greylisted = result->second.greylisted;
        }
        out.recipients.push_back(std::move(status));
    }
    co_return out;
}

env::Task<std::unique_ptr<ContentReader>> QueueManager::content(QueueId id) {
    auto bytes = co_await services_.store.read(env::Keyspace::Envelopes, envelope_key(id));
    if (!bytes || !*bytes) co_return nullptr;
    auto record = decode_envelope(**bytes);
    if (!record) co_return nullptr;
    co_return std::make_unique<StoreContent>(services_.store, id, *record);
}

env::Task<std::size_t> QueueManager::hold(QueueId id) {
    Entry* entry = find(id);
    if (!entry || entry->state == QueueState::Hold) co_return 0;
    if (entry->state == QueueState::Active) {
        entry->hold_when_idle = true;  // a delivery under way cannot be called back
        co_return 1;
    }
    due_.erase({entry->next_attempt, by_id_.at(id)});
    entry->state = QueueState::Hold;
    env::Batch batch;
    batch.put(env::Keyspace::Envelopes, state_key(id),
              encode(StateRecord{entry->attempts, entry->next_attempt, true, entry->delay_warned}));
    co_await services_.store.commit(std::move(batch), env::Durability::Synced);
    co_return 1;
}

env::Task<std::size_t> QueueManager::release(QueueId id) {
    Entry* entry = find(id);
    if (!entry || entry->state != QueueState::Hold) co_return 0;
    make_due(by_id_.at(id), *entry, services_.loop.clock().wall());
    env::Batch batch;
    batch.put(env::Keyspace::Envelopes, state_key(id),
              encode(StateRecord{entry->attempts, entry->next_attempt, false, entry->delay_warned}));
    co_await services_.store.commit(std::move(batch), env::Durability::Synced);
    take_due();
    pump();
    co_return 1;
}

env::Task<std::size_t> QueueManager::remove(QueueId id) {
    Entry* entry = find(id);
    if (!entry || entry->doomed) co_return 0;
    if (entry->state == QueueState::Active) {
        entry->doomed = true;  // erased when the deliveries under way have ended
        co_return 1;
    }
    auto bytes = co_await services_.store.read(env::Keyspace::Envelopes, envelope_key(id));
    entry = find(id);
    if (!entry || !bytes || !*bytes) co_return 0;
    if (entry->state == QueueState::Active) {
        entry->doomed = true;
        co_return 1;
    }
    auto record = decode_envelope(**bytes);
    if (!record) co_return 0;
    forget(by_id_.at(id));
    co_await erase(id, std::make_shared<const EnvelopeRecord>(std::move(*record)));
    services_.events.emit(base::MessageRemoved{id.text()});
    co_return 1;
}

std::size_t QueueManager::flush(const std::function<bool(const QueueId&)>& which) {
    std::size_t count = 0;
    const auto now = services_.loop.clock().wall();
    for (auto& [id, key] : by_id_) {
        Entry* entry = find(key);
        if (entry->state != QueueState::Deferred || !which(id)) continue;
        if (due_.erase({entry->next_attempt, key}) == 0) continue;  // due already
        make_due(key, *entry, now);
        ++count;
    }
    take_due();
    pump();
    return count;
}

}  // namespace queue
