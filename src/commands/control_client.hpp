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

struct ServerTrouble {
    enum class Kind { Down, Denied, Failed } kind = Kind::Failed;
    std::string text;  // for people
};

/// Sends `request` and hands each line of the answer to `on_line`. The error is for people: the server is not
/// running, refused, or closed too early.
env::Task<std::expected<void, ServerTrouble>> ask_server(env::Loop& loop, env::Network& network,
                                                         std::string socket_path, nlohmann::json request,
                                                         std::function<void(const nlohmann::json&)> on_line);

}  // namespace commands
