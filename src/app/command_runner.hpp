// Runs a delivery command (alias |commands, mailbox_command, pipe) with a message on its standard input.
// Blocking; in a process of its own that has the user's id already.
#pragma once

#include "delivery/agent.hpp"

#include <functional>
#include <optional>
#include <string>

namespace app {

/// `next`: the content piece by piece, "" at the end, nullopt when it broke off. The exit status means what
/// sysexits(3) says; a command over its time limit is ended with its children.
delivery::AgentResult run_command(const delivery::CommandJob& job,
                                  const std::function<std::optional<std::string>()>& next);

}  // namespace app
