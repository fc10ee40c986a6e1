// What the queue manager keeps of a message while it is in delivery. For queue/'s own files.
#pragma once

#include "queue/queue_manager.hpp"

namespace queue {

enum class Progress : std::uint8_t { Pending, Done, Failed, Deferred };

struct QueueManager::Active {
    std::shared_ptr<const EnvelopeRecord> record;
    std::vector<Progress> progress;                      // by recipient
    std::map<std::uint32_t, RecipientRecord> results;    // of this attempt, for records and notifications
    std::map<std::uint32_t, mail::DsnAction> succeeded;  // what the sender wants to be told of
    std::size_t outstanding = 0;                         // jobs not finished
    env::SteadyTime since;
};

}  // namespace queue
