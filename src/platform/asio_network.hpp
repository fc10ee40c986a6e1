// The real env::Network over non-blocking sockets: system calls first, the reactor only when they would
// block. An idle connection holds no buffer. Belongs to its loop.
#pragma once

#include "env/network.hpp"
#include "platform/asio_loop.hpp"

namespace platform {

class AsioNetwork : public env::Network {
 public:
    explicit AsioNetwork(AsioLoop& loop) : loop_(loop) {}
    std::expected<std::unique_ptr<env::Listener>, env::IoError> listen(const env::Endpoint& at) override;
    env::Task<std::expected<std::unique_ptr<env::Stream>, env::IoError>> connect(
        env::Endpoint to, env::ConnectOptions options, env::SteadyTime deadline) override;
    /// A listening socket made elsewhere (before privileges were dropped); takes the descriptor.
    std::unique_ptr<env::Listener> adopt_listener(int descriptor);
    /// A connected Unix-domain socket; takes the descriptor.
    std::unique_ptr<env::Stream> adopt_unix_stream(int descriptor);

 private:
    AsioLoop& loop_;
};

/// A bound, listening, non-blocking socket (SO_REUSEPORT, IPV6_V6ONLY). `unix_mode`: permissions of a
/// Unix-domain socket.
std::expected<int, env::IoError> open_listener(const env::Endpoint& at, unsigned unix_mode = 0600);

}  // namespace platform
