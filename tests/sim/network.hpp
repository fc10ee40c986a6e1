// The simulated network: byte streams between loops with latency, split reads, resets and a bounded window.
// What one side writes arrives in order, or the connection breaks. Endpoints are any addresses; nothing real
// is touched.
#pragma once

#include "env/network.hpp"
#include "sim/loop.hpp"
#include "sim/random.hpp"

#include <deque>
#include <map>
#include <memory>
#include <string>

namespace sim {

struct NetworkFaults {
    double reset = 0;    // of a write: the connection breaks
    double refuse = 0;   // of a connect
    double split = 0.5;  // of a read: only a part of what is there
    std::uint64_t latency_microseconds_max = 5000;
};

class SimListener;

/// The cables: which endpoint is listened on. One for each world.
class Cables {
 public:
    Cables(Scheduler& scheduler, SimRandom random) : scheduler(scheduler), random(std::move(random)) {}
    Scheduler& scheduler;
    SimRandom random;
    NetworkFaults faults;
    std::map<env::Endpoint, SimListener*> listeners;
    std::uint64_t last_port = 40000;
};

/// One machine's access to it.
class SimNetwork : public env::Network {
 public:
    SimNetwork(Cables& cables, SimLoop& loop, env::IpAddress address)
        : cables_(cables), loop_(loop), address_(address) {}
    std::expected<std::unique_ptr<env::Listener>, env::IoError> listen(const env::Endpoint& at) override;
    env::Task<std::expected<std::unique_ptr<env::Stream>, env::IoError>> connect(
        env::Endpoint to, env::ConnectOptions options, env::SteadyTime deadline) override;

 private:
    Cables& cables_;
    SimLoop& loop_;
    env::IpAddress address_;
};

}  // namespace sim
