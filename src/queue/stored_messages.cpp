// What the store holds of messages, also while no server runs (queue_manager.hpp: describe_stored).
#include "env/store_pages.hpp"
#include "queue/queue_manager.hpp"

namespace queue {
namespace {

using Results = std::map<std::uint32_t, RecipientRecord>;

void add_recipients(QueuedMessage& out, const mail::Envelope& envelope, const Results& results) {
    for (std::uint32_t i = 0; i < envelope.recipients.size(); ++i) {
        const auto result = results.find(i);
        if (result != results.end() && result->second.kind != RecipientResult::Kind::Deferred) continue;
        const auto& recipient = envelope.recipients[i];
        QueuedMessage::RecipientStatus status;
        status.address = recipient.address.text();
        status.original = recipient.original.text();
        status.dsn_original = recipient.dsn_original;
        if (result != results.end()) {
            status.reason = result->second.text;
            status.greylisted = result->second.greylisted;
        }
        out.recipients.push_back(std::move(status));
    }
}

}  // namespace

env::Task<std::optional<QueuedMessage>> describe_stored(env::Store& store, QueueId id) {
    auto records = co_await store.scan(env::Keyspace::Envelopes, envelope_key(id), end_key(id), SIZE_MAX);
    if (!records || records->empty()) co_return std::nullopt;
    const auto record = decode_envelope(records->front().value);
    if (!record) co_return std::nullopt;
    QueuedMessage out;
    out.id = id;
    out.arrived = out.next_attempt = record->arrived;
    out.size = record->size;
    out.sender = record->envelope.sender.text();
    out.origin = record->envelope.origin;
    out.smtputf8 = record->envelope.smtputf8;
    Results results;
    for (const auto& [key, value] : *records) {
        const auto parsed = parse_key(key);
        if (!parsed) continue;
        if (parsed->kind == EnvelopeKey::Kind::Recipient) {
            if (auto result = decode_recipient(value)) results.emplace(parsed->index, std::move(*result));
        } else if (parsed->kind == EnvelopeKey::Kind::State) {
            const auto state = decode_state(value);
            if (!state) continue;
            out.next_attempt = state->next_attempt;
            out.forced_expire = state->expire;
            if (state->hold) out.state = QueueState::Hold;
        }
    }
    add_recipients(out, record->envelope, results);
    co_return out;
}

env::Task<std::expected<std::vector<QueueId>, env::StoreError>> stored_ids(env::Store& store, QueueId after,
                                                                           std::size_t limit) {
    std::vector<QueueId> out;
    constexpr std::size_t page = 1000;
    env::StorePages pages(store, env::Keyspace::Envelopes,
                          after.text().empty() ? std::string() : end_key(after), "", page);
    while (out.size() < limit && pages.more()) {
        auto entries = co_await pages.next();
        if (!entries) co_return std::unexpected(entries.error());
        for (const auto& [key, value] : *entries) {
            const auto parsed = parse_key(key);
            if (parsed && parsed->kind == EnvelopeKey::Kind::Envelope && out.size() < limit)
                out.push_back(parsed->id);
        }
    }
    co_return out;
}

}  // namespace queue
