// The Intake over env::Store. A small message is one synced batch; a large one writes its chunks Buffered as
// they fill and syncs the last batch. Belongs to one loop; hands finished messages to the queue manager's
// loop.
#pragma once

#include "base/event.hpp"
#include "env/loop.hpp"
#include "env/store.hpp"
#include "queue/intake.hpp"
#include "queue/queue_id_source.hpp"
#include "queue/record.hpp"

#include <functional>

namespace queue {

struct IntakeOptions {
    std::uint64_t chunk_bytes = 128 * 1024;  // postrider_queue_chunk_size
    std::uint64_t free_bytes_min = 0;        // queue_minfree
    std::uint64_t message_size_limit = 10240000;
    std::uint64_t reserve_octets =
        0;  // postrider_store_reserve: what the store itself needs to go on, and to erase
};

/// A message that became ours: what the queue manager needs to go on without reading it back.
struct Arrival {
    QueueId id;
    std::shared_ptr<const EnvelopeRecord> record;
    bool marked = false;  // IncomingMessage::mark()
};

class StoreIntake : public Intake {
 public:
    /// `announce` is called on this loop after the commit; it must be cheap and may post elsewhere.
    StoreIntake(env::Loop& loop, env::Store& store, QueueIdSource ids, IntakeOptions options,
                std::function<void(Arrival)> announce);
    std::expected<std::unique_ptr<IncomingMessage>, QueueError> begin() override;
    /// New messages are refused (Closing); those under way may finish.
    void close() { closing_ = true; }

 private:
    class Message;
    std::uint64_t free_bytes();
    env::Loop& loop_;
    env::Store& store_;
    QueueIdSource ids_;
    IntakeOptions options_;
    std::function<void(Arrival)> announce_;
    bool closing_ = false;
    std::uint64_t known_free_ = UINT64_MAX;
    env::SteadyTime free_checked_{};
};

}  // namespace queue
