// Asks a running server over its control socket (server/control_server.hpp has the protocol). Belongs to one
// loop.
#pragma once

#include "env/loop.hpp"
#include "env/network.hpp"

#include <expected>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

namespace commands {

/// Sends `request` and hands each line of the answer to `on_line`. The error is for people: the server is not
/// running, refused, or closed too early.
env::Task<std::expected<void, std::string>> ask_server(env::Loop& loop, env::Network& network,
                                                       std::string socket_path, nlohmann::json request,
                                                       std::function<void(const nlohmann::json&)> on_line);

}  // namespace commands
