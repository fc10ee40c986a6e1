// `postrider run`: the whole server in one process. Binds its ports, gives up root, opens the queue, runs the
// loops, and ends without losing anything.
#pragma once

#include <string>

namespace app {

/// Exit status: 0 stopped as asked; 1 it could not start (said on standard error).
int run_server(const std::string& configuration_directory);

}  // namespace app
