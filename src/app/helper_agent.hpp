// The Agent of a real server: what belongs to the server's own user is written on a worker, everything else
// goes to the delivery helper. Belongs to the queue manager's loop.
#pragma once

#include "app/delivery_helper.hpp"
#include "delivery/in_process_agent.hpp"
#include "platform/asio_network.hpp"
#include "platform/system.hpp"

namespace app {

class HelperAgent : public delivery::Agent {
 public:
    /// `channel`: of start_delivery_helper(); taken.
    HelperAgent(env::Loop& loop, platform::AsioNetwork& network, delivery::Agent& own, std::uint32_t own_uid,
                HelperChannel channel)
        : loop_(loop), network_(network), own_(own), own_uid_(own_uid), channel_(channel) {}
    ~HelperAgent() override;
    env::Task<delivery::AgentResult> run(delivery::AgentJob job, queue::ContentReader& content) override;
    env::Task<std::expected<std::optional<std::string>, std::string>> read_file(delivery::Credentials as,
                                                                                std::string path) override;
    bool can_deliver_as(std::uint32_t uid) const override { return channel_.privileged || uid == own_uid_; }

 private:
    env::Loop& loop_;
    platform::AsioNetwork& network_;
    delivery::Agent& own_;
    std::uint32_t own_uid_;
    HelperChannel channel_;
};

/// Files as the server's user sees them; what only root may read and the configuration named at start comes
/// from the helper. Blocking; any thread.
class HelperFiles : public platform::PosixFileSystem {
 public:
    explicit HelperFiles(HelperChannel channel) : channel_(channel) {}
    std::expected<std::string, env::FileError> read(const std::string& path, std::uint64_t max) override;

 private:
    HelperChannel channel_;
};

}  // namespace app
