// The loop check of those who deliver: a message that was here before.
#pragma once

#include "env/task.hpp"
#include "queue/transport.hpp"

#include <string>

namespace delivery {

/// Its header has "Delivered-To:" with this address (as qmail and Postfix write it). Reads from the front,
/// and rewinds.
env::Task<bool> was_delivered_to(queue::ContentReader& content, std::string address);

}  // namespace delivery
