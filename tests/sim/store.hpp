// The simulated store: commits in order; a power cut keeps what was synced and a random prefix of what came
// after, as a log does. Fails with NoSpace or Io when told to.
#pragma once

#include "env/store.hpp"
#include "sim/loop.hpp"
#include "sim/random.hpp"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace sim {

struct StoreFaults {
    double no_space = 0;
    double io = 0;       // nothing of the batch is kept
    double late_io = 0;  // an error is reported, the batch is kept all the same
    std::uint64_t sync_microseconds_max = 2000;
};

/// The power fails at one exact moment: commit number `commit` (from 1, over all lives) never comes to its
/// end.
struct CutPoint {
    enum class Moment { BeforeWriting, BeforeSyncing, BeforeAnswering } moment = Moment::BeforeWriting;
    std::uint64_t commit = 0;
    enum class Unsynced { Lost, Kept } unsynced = Unsynced::Lost;
};

/// What outlives the machine's processes.
class Disk {
 public:
    using Key = std::pair<env::Keyspace, std::string>;
    using Content = std::map<Key, std::string>;
    const Content& content() const { return now_; }
    void apply(const env::Batch& batch);
    void sync(std::size_t upto);
    std::size_t written() const { return done_ + unsynced_.size(); }
    void power_cut(SimRandom& random);
    StoreFaults faults;
    /// At the moment it names `on_cut` is called, once; it must see to it that the machine loses its power.
    std::optional<CutPoint> cut;
    std::function<void()> on_cut;
    std::uint64_t commits() const { return commits_; }

 private:
    friend class SimStore;
    bool cut_now(std::uint64_t commit, CutPoint::Moment moment);
    std::uint64_t commits_ = 0;
    std::optional<CutPoint::Unsynced> fate_;  // of what is not synced, at the cut
    static void apply(Content& to, const env::Batch& batch);
    Content durable_, now_;
    std::vector<env::Batch> unsynced_;
    std::size_t done_ = 0;  // how many were synced
};

class SimStore : public env::Store {
 public:
    SimStore(Disk& disk, SimLoop& loop, SimRandom random)
        : disk_(disk), loop_(loop), random_(std::move(random)) {}
    env::Task<std::expected<void, env::StoreError>> commit(env::Batch batch,
                                                           env::Durability durability) override;
    env::Task<std::expected<std::optional<std::string>, env::StoreError>> read(env::Keyspace space,
                                                                               std::string key) override;
    env::Task<std::expected<std::vector<Entry>, env::StoreError>> scan(env::Keyspace space, std::string from,
                                                                       std::string to,
                                                                       std::size_t limit) override;
    std::uint64_t free_bytes() const override { return UINT64_MAX; }

 private:
    Disk& disk_;
    SimLoop& loop_;
    SimRandom random_;
};

}  // namespace sim
