#include "queue/store_intake.hpp"

namespace queue {
namespace {

QueueError queue_error(env::StoreError error) {
    switch (error) {
        case env::StoreError::NoSpace:
            return QueueError::NoSpace;
        case env::StoreError::Closed:
            return QueueError::Closing;
        case env::StoreError::Io:
            return QueueError::Store;
    }
    return QueueError::Store;
}

/// What a message that did not become ours left behind. Tried again while the store fails: a commit that
/// reported an error may have happened all the same, and the client was told to send again.
env::Task<void> erase_traces(env::Loop& loop, env::Store& store, QueueId id, std::uint32_t chunks,
                             std::string mark) {
    constexpr auto pause = std::chrono::seconds(1);
    constexpr int attempts_max = 3600;
    for (int attempt = 0; attempt < attempts_max; ++attempt) {
        env::Batch batch;
        for (std::uint32_t i = 0; i <= chunks; ++i) batch.erase(env::Keyspace::Bodies, body_key(id, i));
        batch.erase(env::Keyspace::Meta, incoming_key(id));
        if (!mark.empty()) batch.erase(env::Keyspace::History, mark);
        batch.erase(env::Keyspace::Envelopes, envelope_key(id));
        batch.erase(env::Keyspace::Envelopes, state_key(id));
        auto done = co_await store.commit(std::move(batch), env::Durability::Buffered);
        if (done || done.error() == env::StoreError::Closed) co_return;
        co_await loop.sleep(pause);
    }
}

}  // namespace

class StoreIntake::Message : public IncomingMessage {
 public:
    Message(StoreIntake& intake, QueueId id) : intake_(intake), id_(std::move(id)) {}
    ~Message() override {
        if (touched_store_ && !committed_)
            intake_.loop_.spawn(
                erase_traces(intake_.loop_, intake_.store_, id_, chunks_written_, std::move(mark_)));
    }
    const QueueId& id() const override { return id_; }
    std::uint64_t size() const override { return size_; }
    void mark(std::string key) override { mark_ = std::move(key); }

    env::Task<std::expected<void, QueueError>> append(std::string_view content) override {
        size_ += content.size();
        buffer_.append(content);
        if (buffer_.size() < intake_.options_.chunk_bytes) co_return std::expected<void, QueueError>{};
        if (intake_.free_bytes() < intake_.options_.free_bytes_min)
            co_return std::unexpected(QueueError::NoSpace);
        env::Batch batch;
        touched_store_ = true;
        if (chunks_written_ == 0) batch.put(env::Keyspace::Meta, incoming_key(id_), "");
        // Chunk 0 is kept for what commit() prepends.
        batch.put(env::Keyspace::Bodies, body_key(id_, ++chunks_written_), std::move(buffer_));
        buffer_.clear();
        auto done = co_await intake_.store_.commit(std::move(batch), env::Durability::Buffered);
        if (!done) co_return std::unexpected(queue_error(done.error()));
        co_return std::expected<void, QueueError>{};
    }

    env::Task<std::expected<Receipt, QueueError>> commit(mail::Envelope envelope,
                                                         std::string prepend) override {
        auto record = std::make_shared<EnvelopeRecord>();
        record->envelope = std::move(envelope);
        record->arrived = intake_.loop_.clock().wall();
        record->size = size_ + prepend.size();
        env::Batch batch;
        if (chunks_written_ == 0) {
            prepend += buffer_;
            batch.put(env::Keyspace::Bodies, body_key(id_, 0), std::move(prepend));
            record->chunks = 1;
        } else {
            batch.put(env::Keyspace::Bodies, body_key(id_, 0), std::move(prepend));
            if (!buffer_.empty())
                batch.put(env::Keyspace::Bodies, body_key(id_, ++chunks_written_), std::move(buffer_));
            record->chunks = chunks_written_ + 1;
            batch.erase(env::Keyspace::Meta, incoming_key(id_));
        }
        batch.put(env::Keyspace::Envelopes, envelope_key(id_), encode(*record));
        if (record->envelope.hold) {
            StateRecord state;
            state.hold = true;
            batch.put(env::Keyspace::Envelopes, state_key(id_), encode(state));
        }
        if (!mark_.empty()) batch.put(env::Keyspace::History, mark_, "");
        touched_store_ = true;
        auto done = co_await intake_.store_.commit(std::move(batch), env::Durability::Synced);
        if (!done) co_return std::unexpected(queue_error(done.error()));
        committed_ = true;
        buffer_ = {};
        intake_.announce_(Arrival{id_, std::move(record), !mark_.empty()});
        co_return make_receipt_for(id_);
    }

 private:
    static Receipt make_receipt_for(const QueueId& id) { return StoreIntake::make_receipt(id); }
    StoreIntake& intake_;
    QueueId id_;
    std::string buffer_, mark_;
    std::uint64_t size_ = 0;
    std::uint32_t chunks_written_ = 0;
    bool touched_store_ = false;
    bool committed_ = false;
};

StoreIntake::StoreIntake(env::Loop& loop, env::Store& store, QueueIdSource ids, IntakeOptions options,
                         std::function<void(Arrival)> announce)
    : loop_(loop), store_(store), ids_(ids), options_(options), announce_(std::move(announce)) {
    // As Postfix: room for a message and a half of the largest size.
    options_.free_bytes_min =
        std::max(options_.free_bytes_min, options_.message_size_limit + options_.message_size_limit / 2) +
        options_.reserve_octets;
}

std::uint64_t StoreIntake::free_bytes() {
    constexpr auto check_every = std::chrono::milliseconds(100);
    const auto now = loop_.clock().steady();
    if (now - free_checked_ >= check_every || free_checked_ == env::SteadyTime{}) {
        known_free_ = store_.free_bytes();
        free_checked_ = now;
    }
    return known_free_;
}

std::expected<std::unique_ptr<IncomingMessage>, QueueError> StoreIntake::begin() {
    if (closing_) return std::unexpected(QueueError::Closing);
    if (free_bytes() < options_.free_bytes_min) return std::unexpected(QueueError::NoSpace);
    return std::make_unique<Message>(*this, ids_.next(loop_.clock().wall()));
}

}  // namespace queue
