// The real env::Store: one RocksDB, one committer thread that writes everything waiting as one batch and
// syncs once (docs/decisions/0004). RocksDatabase is shared by all loops; RocksStore is one loop's face of
// it. Reads and scans run on the caller's loop: what is queued is nearly always in memory, and a miss costs
// one disk read.
#pragma once

#include "env/loop.hpp"
#include "env/store.hpp"

#include <expected>
#include <memory>
#include <string>

namespace platform {

class RocksDatabase {
 public:
    /// Opens or creates the folder. Error: a sentence for the administrator.
    static std::expected<std::shared_ptr<RocksDatabase>, std::string> open(const std::string& folder);
    /// To look at while no server runs: nothing can be committed, nothing on the disk changes.
    static std::expected<std::shared_ptr<RocksDatabase>, std::string> open_for_reading(
        const std::string& folder);
    ~RocksDatabase();
    /// Writes what was accepted and ends the committer. After the loops have ended, before their tasks are
    /// destroyed.
    void stop();
    RocksDatabase(const RocksDatabase&) = delete;
    struct State;
    State& state() { return *state_; }

 private:
    RocksDatabase();
    std::unique_ptr<State> state_;
};

class RocksStore : public env::Store {
 public:
    RocksStore(std::shared_ptr<RocksDatabase> database, env::Loop& loop)
        : database_(std::move(database)), loop_(loop) {}
    env::Task<std::expected<void, env::StoreError>> commit(env::Batch batch,
                                                           env::Durability durability) override;
    env::Task<std::expected<std::optional<std::string>, env::StoreError>> read(env::Keyspace space,
                                                                               std::string key) override;
    env::Task<std::expected<std::vector<Entry>, env::StoreError>> scan(env::Keyspace space, std::string from,
                                                                       std::string to,
                                                                       std::size_t limit) override;
    std::uint64_t free_bytes() const override;

 private:
    std::shared_ptr<RocksDatabase> database_;
    env::Loop& loop_;
};

}  // namespace platform
