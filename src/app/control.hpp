// What a running server answers on its control socket.
#pragma once

#include "app/back.hpp"
#include "server/control_server.hpp"

#include <functional>

namespace app {

struct ControlActions {
    std::function<std::size_t()> connections;
    std::function<void()> stop;
    std::function<void()> reload;
    std::function<std::vector<std::string>()> warnings;  // what will bite: certificates
    env::WallTime started;
};
void add_control_handlers(server::ControlServer& control, queue::QueueManager& manager, env::Loop& loop,
                          ControlActions actions);

}  // namespace app
