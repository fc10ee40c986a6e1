// Runs mailbox jobs on a worker, as the user the server is: for servers that were not started as root.
// Belongs to the queue manager's loop.
#pragma once

#include "delivery/agent.hpp"
#include "delivery/maildir.hpp"
#include "env/loop.hpp"
#include "env/workers.hpp"

namespace delivery {

class InProcessAgent : public Agent {
 public:
    InProcessAgent(env::Loop& loop, env::Workers& workers, env::FileSystem& files, std::string host,
                   std::uint64_t process, std::uint32_t own_uid)
        : loop_(loop),
          workers_(workers),
          files_(files),
          host_(std::move(host)),
          process_(process),
          own_uid_(own_uid) {}
    env::Task<AgentResult> run(AgentJob job, queue::ContentReader& content) override;
    env::Task<std::expected<std::optional<std::string>, std::string>> read_file(Credentials as,
                                                                                std::string path) override;
    bool can_deliver_as(std::uint32_t uid) const override { return uid == own_uid_; }

 private:
    env::Loop& loop_;
    env::Workers& workers_;
    env::FileSystem& files_;
    std::string host_;
    std::uint64_t process_;
    std::uint32_t own_uid_;
    std::uint64_t counter_ = 0;
};

/// The check and the reading behind Agent::read_file(), blocking.
std::expected<std::optional<std::string>, std::string> read_list_file(env::FileSystem& files,
                                                                      const std::string& path,
                                                                      std::uint32_t uid);

}  // namespace delivery
