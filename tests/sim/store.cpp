#include "sim/store.hpp"

#include <utility>

namespace sim {

void Disk::apply(Content& to, const env::Batch& batch) {
    for (const auto& erase : batch.erases()) {
        if (erase.end.empty()) {
            to.erase({erase.space, erase.key});
            continue;
        }
        const auto from = to.lower_bound({erase.space, erase.key});
        const auto until = to.lower_bound({erase.space, erase.end});
        to.erase(from, until);
    }
    for (const auto& put : batch.puts()) to[{put.space, put.key}] = put.value;
}

void Disk::apply(const env::Batch& batch) {
    apply(now_, batch);
    unsynced_.push_back(batch);
}

void Disk::sync(std::size_t upto) {
    while (done_ < upto && !unsynced_.empty()) {
        apply(durable_, unsynced_.front());
        unsynced_.erase(unsynced_.begin());
        ++done_;
    }
}

void Disk::power_cut(SimRandom& random) {
    if (const auto fate = std::exchange(fate_, std::nullopt))
        sync(done_ + (*fate == CutPoint::Unsynced::Kept ? unsynced_.size() : 0));
    else
        sync(done_ + random.between(0, unsynced_.size()));
    unsynced_.clear();
    now_ = durable_;
}

bool Disk::cut_now(std::uint64_t commit, CutPoint::Moment moment) {
    if (!cut || cut->commit != commit || cut->moment != moment) return false;
    fate_ = cut->unsynced;
    cut.reset();
    on_cut();
    return true;
}

env::Task<std::expected<void, env::StoreError>> SimStore::commit(env::Batch batch,
                                                                 env::Durability durability) {
    const std::uint64_t number = ++disk_.commits_;
    using Moment = CutPoint::Moment;
    if (disk_.cut_now(number, Moment::BeforeWriting)) co_await loop_.sleep_until(never);
    const auto& faults = disk_.faults;
    const bool no_space = random_.chance(faults.no_space), io = random_.chance(faults.io),
               late = random_.chance(faults.late_io);
    if (!no_space && !io) disk_.apply(batch);
    const std::size_t mine = disk_.written();
    if (disk_.cut_now(number, Moment::BeforeSyncing)) co_await loop_.sleep_until(never);
    const auto latency = std::chrono::microseconds(
        random_.between(1, durability == env::Durability::Synced ? faults.sync_microseconds_max : 50));
    co_await loop_.sleep(latency);
    if (no_space) co_return std::unexpected(env::StoreError::NoSpace);
    if (io || late) co_return std::unexpected(env::StoreError::Io);
    if (durability == env::Durability::Synced) disk_.sync(mine);
    if (disk_.cut_now(number, Moment::BeforeAnswering)) co_await loop_.sleep_until(never);
    co_return std::expected<void, env::StoreError>{};
}

env::Task<std::expected<std::optional<std::string>, env::StoreError>> SimStore::read(env::Keyspace space,
                                                                                     std::string key) {
    co_await loop_.sleep(std::chrono::microseconds(random_.between(1, 100)));
    const auto found = disk_.content().find({space, key});
    if (found == disk_.content().end()) co_return std::optional<std::string>{};
    co_return std::optional(found->second);
}

env::Task<std::expected<std::vector<env::Store::Entry>, env::StoreError>> SimStore::scan(env::Keyspace space,
                                                                                         std::string from,
                                                                                         std::string to,
                                                                                         std::size_t limit) {
    co_await loop_.sleep(std::chrono::microseconds(random_.between(1, 100)));
    std::vector<Entry> out;
    for (auto at = disk_.content().lower_bound({space, from});
         at != disk_.content().end() && at->first.first == space && out.size() < limit; ++at) {
        if (!to.empty() && at->first.second >= to) break;
        out.push_back({at->first.second, at->second});
    }
    co_return out;
}

}  // namespace sim
