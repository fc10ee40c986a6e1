// The durable store: commit, read, scan, erase. A commit is atomic: all of its changes or none survive a
// crash. Synced commits are on disk when the task is done; Buffered ones are ordered before any later commit
// and become durable with the next Synced one, or are lost together with everything after them. One Store
// object belongs to one loop (its tasks resume there); the store behind them is shared.
#pragma once

#include "env/task.hpp"

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace env {

/// Key spaces. `Bodies` is for large values (kept out of the sorted files).
enum class Keyspace : std::uint8_t { Meta, Envelopes, Bodies, History };

enum class Durability { Buffered, Synced };

enum class StoreError { NoSpace, Io, Closed };

/// Changes that happen together. Keys order bytewise.
class Batch {
 public:
    struct Put {
        Keyspace space;
        std::string key;
        std::string value;
    };
    struct Erase {
        Keyspace space;
        std::string key;
        std::string end;  // not empty: all keys in [key, end)
    };
    void put(Keyspace space, std::string key, std::string value) {
        bytes_ += key.size() + value.size();
        puts_.push_back({space, std::move(key), std::move(value)});
    }
    void erase(Keyspace space, std::string key) { erases_.push_back({space, std::move(key), {}}); }
    void erase_range(Keyspace space, std::string from, std::string to) {
        erases_.push_back({space, std::move(from), std::move(to)});
    }
    const std::vector<Put>& puts() const { return puts_; }
    const std::vector<Erase>& erases() const { return erases_; }
    std::size_t bytes() const { return bytes_; }
    bool empty() const { return puts_.empty() && erases_.empty(); }

 private:
    std::vector<Put> puts_;
    std::vector<Erase> erases_;  // within one batch, erases apply before puts
    std::size_t bytes_ = 0;
};

class Store {
 public:
    virtual ~Store() = default;
    virtual Task<std::expected<void, StoreError>> commit(Batch batch, Durability durability) = 0;
    /// nullopt: no such key.
    virtual Task<std::expected<std::optional<std::string>, StoreError>> read(Keyspace space,
                                                                             std::string key) = 0;
    struct Entry {
        std::string key;
        std::string value;
    };
    /// Up to `limit` entries with from <= key < to (`to` empty: no end), ascending. Fewer than `limit`: the
    /// end.
    virtual Task<std::expected<std::vector<Entry>, StoreError>> scan(Keyspace space, std::string from,
                                                                     std::string to, std::size_t limit) = 0;
    /// Free bytes for the store's file system; what `queue_minfree` is compared with.
    virtual std::uint64_t free_bytes() const = 0;
};

}  // namespace env
