// Reads a stored message's content chunk by chunk (Keyspace::Bodies). Belongs to the loop of its store.
#pragma once

#include "env/store.hpp"
#include "queue/record.hpp"
#include "queue/transport.hpp"

namespace queue {

class StoreContent : public ContentReader {
 public:
    StoreContent(env::Store& store, QueueId id, const EnvelopeRecord& record)
        : store_(store), id_(std::move(id)), chunks_(record.chunks), size_(record.size) {}
    env::Task<std::expected<std::string, std::string>> next() override {
        if (next_ >= chunks_) co_return std::string{};
        auto chunk = co_await store_.read(env::Keyspace::Bodies, body_key(id_, next_));
        if (!chunk) co_return std::unexpected(std::string("the queue file cannot be read"));
        if (!*chunk) co_return std::unexpected(std::string("the queue file is incomplete"));
        ++next_;
        if ((*chunk)->empty()) {
            auto following = co_await next();
            co_return following;
        }
        co_return std::move(**chunk);
    }
    std::uint64_t size() const override { return size_; }
    void rewind() override { next_ = 0; }

 private:
    env::Store& store_;
    QueueId id_;
    std::uint32_t chunks_;
    std::uint64_t size_;
    std::uint32_t next_ = 0;
};

}  // namespace queue
