// What a command needs of the world outside: one loop on this thread, network, TLS. Runs one task to its end.
#pragma once

#include "platform/asio_loop.hpp"
#include "platform/asio_network.hpp"
#include "platform/openssl_tls.hpp"
#include "platform/system.hpp"

namespace commands {

class RealWorld {
 public:
    RealWorld() : loop(clock), network(loop) {}
    ~RealWorld() { loop.destroy_tasks(); }
    int run(env::Task<int> task) {
        int status = exit_unset;
        loop.spawn(finish(std::move(task), loop, status));
        loop.run();
        loop.restart();
        return status;
    }

    platform::SystemClock clock;
    platform::AsioLoop loop;
    platform::AsioNetwork network;
    platform::OpenSslTls tls;
    platform::SystemRandom random;

 private:
    static constexpr int exit_unset = 70;
    static env::Task<void> finish(env::Task<int> task, platform::AsioLoop& loop, int& status) {
        status = co_await task;
        loop.stop();
    }
};

}  // namespace commands
