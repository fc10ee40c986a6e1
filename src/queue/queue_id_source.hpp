// Makes queue ids in Postfix's long form: seconds (base 52, six characters), microseconds (four), 'z', then a
// number (base 51) that holds the start count of the store and the loop, so that ids never repeat: not when
// the clock goes back, not after a restart, not between loops. One for each loop.
#pragma once

#include "env/clock.hpp"
#include "queue/queue_id.hpp"

namespace queue {

class QueueIdSource {
 public:
    static constexpr unsigned loops_max = 64;
    /// `epoch`: how often the store has been opened; `loop` < loops_max.
    QueueIdSource(std::uint64_t epoch, unsigned loop) : suffix_(epoch * loops_max + loop) {}
    QueueId next(env::WallTime now);
    std::uint64_t epoch() const { return suffix_ / loops_max; }
    /// nullopt: the id is not one of ours.
    static std::optional<std::uint64_t> epoch_of(const QueueId& id);

 private:
    std::uint64_t suffix_;
    std::int64_t last_microseconds_ = 0;
};

}  // namespace queue
