// How the queue stands in the store: keys and records (docs/queue_format.md has the tables). Decoding checks
// every bound; a record of an unknown version is an error, never a crash.
#pragma once

#include "env/clock.hpp"
#include "mail/envelope.hpp"
#include "queue/queue_id.hpp"
#include "queue/transport.hpp"

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace queue {

/// Keyspace::Envelopes: written once, when the message becomes ours.
struct EnvelopeRecord {
    mail::Envelope envelope;
    env::WallTime arrived;
    std::uint64_t size = 0;    // content octets, with what was prepended
    std::uint32_t chunks = 0;  // pieces in Keyspace::Bodies, numbered from 0
};

/// Keyspace::Envelopes: how far a message is; rewritten after each attempt that leaves something.
struct StateRecord {
    std::uint32_t attempts = 0;
    env::WallTime next_attempt;
    bool hold = false;
    bool delay_warned = false;
    bool expire = false;  // the next attempt is the last
};

/// Keyspace::Envelopes: what became of one recipient.
struct RecipientRecord {
    RecipientResult::Kind kind = RecipientResult::Kind::Deferred;
    mail::Status status{4, 0, 0};
    std::string text;
    std::string remote_mta;
    std::string diagnostic;
    bool greylisted = false;
};

std::string envelope_key(const QueueId& id);
std::string state_key(const QueueId& id);
std::string recipient_key(const QueueId& id, std::uint32_t index);
std::string body_key(const QueueId& id, std::uint32_t chunk);
/// Everything of a message in Envelopes lies in [envelope_key(id), end_key(id)).
std::string end_key(const QueueId& id);
/// Keyspace::Meta: a message whose chunks are being written and that has no envelope yet.
std::string incoming_key(const QueueId& id);
constexpr std::string_view incoming_prefix = "incoming/";
constexpr std::string_view epoch_key = "epoch";

/// What a key of Keyspace::Envelopes names.
struct EnvelopeKey {
    QueueId id;
    enum class Kind { Envelope, State, Recipient } kind = Kind::Envelope;
    std::uint32_t index = 0;
};
std::optional<EnvelopeKey> parse_key(std::string_view key);

enum class RecordError { Malformed, UnknownVersion };

std::string encode(const EnvelopeRecord& record);
std::string encode(const StateRecord& record);
std::string encode(const RecipientRecord& record);
std::expected<EnvelopeRecord, RecordError> decode_envelope(std::string_view bytes);
std::expected<StateRecord, RecordError> decode_state(std::string_view bytes);
std::expected<RecipientRecord, RecordError> decode_recipient(std::string_view bytes);

}  // namespace queue
