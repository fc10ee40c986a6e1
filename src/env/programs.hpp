// Asking a program of the administrator's for a short text (a fresh token). It runs as the server does, never
// as root, without a shell, with a time limit.
#pragma once

#include "env/task.hpp"

#include <chrono>
#include <expected>
#include <string>
#include <vector>

namespace env {

struct ProgramLimits {
    std::chrono::seconds time{30};
    std::size_t octets = 64 * 1024;
};

class Programs {
 public:
    virtual ~Programs() = default;
    /// What it wrote to its standard output, when it ended with status 0. `argv[0]` is a path. Error: a
    /// sentence without anything of the output, which may be secret.
    virtual Task<std::expected<std::string, std::string>> output(std::vector<std::string> argv,
                                                                 ProgramLimits limits) = 0;
};

}  // namespace env
