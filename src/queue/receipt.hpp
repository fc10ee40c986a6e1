// The promise in a type: only the queue can make a Receipt, and only after the synced commit. The 250 for a
// message can be produced from nothing else.
#pragma once

#include "queue/queue_id.hpp"

#include <utility>

namespace queue {

class Receipt {
 public:
    const QueueId& id() const { return id_; }

 private:
    friend class Intake;  // and nobody else
    explicit Receipt(QueueId id) : id_(std::move(id)) {}
    QueueId id_;
};

}  // namespace queue
