// Asking the running server to change messages: flush, hold, release, requeue, expire, delete.
#pragma once

#include "commands/verb.hpp"

#include <optional>
#include <string>
#include <vector>

namespace commands {

struct QueueChange {
    std::string action;
    std::vector<std::string> ids;
    bool all = false;
    std::string state;  // with `all`: only messages in this state
};

/// How many it changed; shows how far it is on a terminal. nullopt: not done; what hinders went to standard
/// error.
std::optional<std::size_t> change_queue(const Invocation& invocation, const QueueChange& what);
/// Many messages in parts, so that the server goes on with mail in between.
std::optional<std::size_t> change_in_parts(const Invocation& invocation, const std::string& action,
                                           const std::vector<std::string>& ids);

}  // namespace commands
