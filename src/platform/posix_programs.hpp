// env::Programs on posix_spawn(3). Waiting is a worker's business.
#pragma once

#include "env/programs.hpp"
#include "env/workers.hpp"

namespace platform {

class PosixPrograms : public env::Programs {
 public:
    explicit PosixPrograms(env::Workers& workers) : workers_(workers) {}
    env::Task<std::expected<std::string, std::string>> output(std::vector<std::string> argv,
                                                              env::ProgramLimits limits) override;

 private:
    env::Workers& workers_;
};

/// Blocking; on any thread.
std::expected<std::string, std::string> program_output(const std::vector<std::string>& argv,
                                                       env::ProgramLimits limits);

}  // namespace platform
