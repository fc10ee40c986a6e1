// The index of the queue: what is known of each message, when it is due, and how it is rebuilt at start.
#include "base/check.hpp"
#include "env/store_pages.hpp"
#include "queue/active_message.hpp"
#include "queue/queue_id_source.hpp"

#include <fmt/format.h>

namespace queue {

QueueManager::Entry* QueueManager::find(MessageKey key) {
    const auto at = entries_.find(key);
    return at == entries_.end() ? nullptr : &at->second;
}

std::pair<const MessageKey, QueueManager::Entry>* QueueManager::find(const QueueId& id) {
    const auto at = by_id_.find(id);
    return at == by_id_.end() ? nullptr : *at;
}

MessageKey QueueManager::insert(Entry entry) {
    const MessageKey key = ++last_key_;
    const auto at = entries_.emplace(key, std::move(entry)).first;
    const bool is_new = by_id_.insert(&*at).second;
    CHECK(is_new);  // ids never repeat, and what the scan finds is announced by nobody
    if (at->second.state == QueueState::Hold) ++held_;
    return key;
}

void QueueManager::make_due(MessageKey key, Entry& entry, env::WallTime when) {
    if (entry.state == QueueState::Hold) --held_;
    entry.state = QueueState::Deferred;
    entry.next_attempt = when;
    due_.emplace(when, key);
}

void QueueManager::set_hold(MessageKey key, Entry& entry) {
    due_.erase({entry.next_attempt, key});
    if (entry.state != QueueState::Hold) ++held_;
    entry.state = QueueState::Hold;
}

void QueueManager::forget(MessageKey key) {
    const auto at = entries_.find(key);
    due_.erase({at->second.next_attempt, key});
    if (at->second.state == QueueState::Hold) --held_;
    by_id_.erase(&*at);
    entries_.erase(at);
}

env::Task<std::expected<void, std::string>> QueueManager::load() {
    const std::string first(incoming_prefix);
    auto left = co_await services_.store.scan(env::Keyspace::Meta, first, first + '\xff', SIZE_MAX);
    if (!left) co_return std::unexpected("the queue cannot be read");
    std::vector<std::string> marks;
    for (auto& entry : *left) marks.push_back(std::move(entry.key));
    if (!marks.empty()) services_.loop.spawn(sweep(std::move(marks)));
    co_return std::expected<void, std::string>{};
}

/// Page by page, so that arrivals, deliveries and queue tools have their turns in between.
env::Task<void> QueueManager::rebuild_index() {
    constexpr std::size_t page = 1000;
    constexpr auto pause = std::chrono::seconds(1);
    env::StorePages pages(services_.store, env::Keyspace::Envelopes, "", "", page);
    std::optional<Entry> pending;
    bool said = false;
    while (!stopping_ && pages.more()) {
        auto entries = co_await pages.next();
        if (!entries) {
            if (!std::exchange(said, true))
                services_.events.note(base::Severity::Error, "qmgr",
                                      "the queue cannot be read; trying again every second");
            co_await services_.loop.sleep(pause);
            continue;
        }
        index_page(*entries, pending);
        if (!pages.more()) place_found(pending);
        take_due();
        pump();
        more_indexed_.notify_all();
        if (pages.more()) co_await services_.loop.sleep(std::chrono::nanoseconds(0));
    }
    indexed_ = true;
    more_indexed_.notify_all();
    if (!entries_.empty())
        services_.events.note(base::Severity::Info, "qmgr",
                              fmt::format("{} messages in the queue", entries_.size()));
}

/// `pending`: the last message seen; its records may go on in the next page, so it is not placed yet.
void QueueManager::index_page(const std::vector<env::Store::Entry>& page, std::optional<Entry>& pending) {
    for (const auto& [key, value] : page) {
        const auto parsed = parse_key(key);
        if (!parsed) continue;
        if (parsed->kind == EnvelopeKey::Kind::Envelope) {
            place_found(pending);
            // Made since the store was opened: announced by who made it.
            if (QueueIdSource::epoch_of(parsed->id) == services_.epoch) continue;
            const auto record = decode_envelope(value);
            if (!record) {
                services_.events.note(
                    base::Severity::Error, "qmgr",
                    parsed->id.text() + ": the envelope cannot be read; the message is left alone");
                continue;
            }
            pending.emplace();
            pending->id = parsed->id;
            pending->arrived = pending->next_attempt = record->arrived;
            pending->size = record->size;
            pending->sender = sender_group(record->envelope);
        } else if (parsed->kind == EnvelopeKey::Kind::State && pending && pending->id == parsed->id) {
            const auto state = decode_state(value);
            if (!state) continue;
            pending->attempts = state->attempts;
            pending->delay_warned = state->delay_warned;
            pending->next_attempt = state->next_attempt;
            pending->forced_expire = state->expire;
            if (state->hold) pending->state = QueueState::Hold;
        }
    }
}

void QueueManager::place_found(std::optional<Entry>& pending) {
    if (!pending) return;
    const bool hold = pending->state == QueueState::Hold;
    const auto when = pending->next_attempt;
    const MessageKey key = insert(std::move(*pending));
    if (!hold) make_due(key, *find(key), when);
    pending.reset();
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
    entry.sender = sender_group(arrival.record->envelope);
    const bool hold = arrival.record->envelope.hold;
    if (hold) entry.state = QueueState::Hold;
    const MessageKey key = insert(std::move(entry));
    if (hold) return;
    Entry& placed = *find(key);
    const SenderGroup sender = placed.sender;
    // The envelope is at hand only while there is room: a backlog is read back when its turn comes.
    if (active_ + ready_.size() < options_.active_messages_max) {
        placed.active = std::make_shared<Active>();
        placed.active->record = std::move(arrival.record);
        placed.active->progress.assign(placed.active->record->envelope.recipients.size(), Progress::Pending);
    }
    ready_.push(sender, key);
    pump();
}

void QueueManager::take_due() {
    const auto now = services_.loop.clock().wall();
    while (!due_.empty() && due_.begin()->first <= now) {
        const MessageKey key = due_.begin()->second;
        due_.erase(due_.begin());
        if (const Entry* entry = find(key)) ready_.push(entry->sender, key);
    }
}

}  // namespace queue
