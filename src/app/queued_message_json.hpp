// A queued message as the control socket and the queue tools show it: postqueue -j's names, and more.
#pragma once

#include "queue/queue_manager.hpp"

#include <nlohmann/json.hpp>

namespace app {

nlohmann::json queued_message_json(const queue::QueuedMessage& message);

}  // namespace app
