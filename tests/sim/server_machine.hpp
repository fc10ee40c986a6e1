// A simulated machine that runs the real server: the same Front and Back as the program, over the simulated
// world. It can lose its power at any moment and start again.
#pragma once

#include "app/back.hpp"
#include "app/front.hpp"
#include "delivery/in_process_agent.hpp"
#include "sim/files.hpp"
#include "sim/network.hpp"
#include "sim/resolver.hpp"
#include "sim/store.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace sim {

/// Runs work at once after a while, on the loop.
class SimWorkers : public env::Workers {
 public:
    SimWorkers(SimLoop& loop, SimRandom random) : loop_(loop), random_(std::move(random)) {}
    env::Task<void> run_erased(std::move_only_function<void()> work) override {
        co_await loop_.sleep(std::chrono::microseconds(random_.between(1, 1000)));
        work();
        co_await loop_.sleep(std::chrono::microseconds(random_.between(1, 1000)));
    }

 private:
    SimLoop& loop_;
    SimRandom random_;
};

class NoTls : public env::Tls {
 public:
    std::expected<std::shared_ptr<const env::TlsServerContext>, std::string> make_server_context(
        const env::TlsServerSettings&) override {
        return std::unexpected("no TLS here");
    }
    env::Task<std::expected<std::unique_ptr<env::Stream>, std::string>> accept(
        std::unique_ptr<env::Stream>, std::shared_ptr<const env::TlsServerContext>,
        env::SteadyTime) override {
        co_return std::unexpected(std::string("no TLS here"));
    }
    env::Task<std::expected<std::unique_ptr<env::Stream>, std::string>> connect(std::unique_ptr<env::Stream>,
                                                                                env::TlsClientSettings,
                                                                                env::SteadyTime) override {
        co_return std::unexpected(std::string("no TLS here"));
    }
};

class NoUsers : public env::UserDatabase {
 public:
    std::expected<std::optional<env::UnixUser>, env::FileError> find(const std::string&) override {
        return std::optional<env::UnixUser>{};
    }
    std::expected<std::optional<std::uint32_t>, env::FileError> find_group(const std::string&) override {
        return std::optional<std::uint32_t>{};
    }
};

/// Events become lines of the trace, and are kept for who asks.
class TraceEvents : public base::EventSink {
 public:
    explicit TraceEvents(Scheduler& scheduler) : scheduler_(scheduler) {}
    void emit(base::Event event) override;
    std::function<void(const base::Event&)> watcher;

 private:
    Scheduler& scheduler_;
};

class ServerMachine {
 public:
    /// The configuration is read from /etc/postrider of `files`.
    ServerMachine(Scheduler& scheduler, Cables& cables, SimRandom random, env::Endpoint at);
    ~ServerMachine() { power_cut(); }
    /// "" or why it did not start. Runs the world until the queue is loaded.
    env::Task<std::string> start();
    /// Everything in memory is gone, and what was not synced.
    void power_cut();
    /// As SIGTERM: ends in order.
    env::Task<void> stop();
    bool running() const { return front_ != nullptr; }
    queue::QueueManager& queue() { return back_->manager(); }
    SimLoop& loop() { return loop_; }
    /// Is told of every event.
    void watch(std::function<void(const base::Event&)> watcher) { events_.watcher = std::move(watcher); }

    SimFiles files;
    Disk disk;
    SimDns dns;

 private:
    Scheduler& scheduler_;
    Cables& cables_;
    SimRandom random_;
    env::Endpoint at_;
    SimLoop loop_;
    std::uint64_t starts_ = 0;
    TraceEvents events_;
    // One life:
    std::unique_ptr<SimNetwork> network_;
    std::unique_ptr<SimStore> store_;
    std::unique_ptr<SimWorkers> workers_;
    std::unique_ptr<SimResolver> resolver_;
    std::unique_ptr<SimRandom> life_random_;
    NoTls tls_;
    NoUsers users_;
    std::unique_ptr<server::ClientLimits> limits_;
    std::unique_ptr<accounts::Throttle> throttle_;
    policy::AccountLimits accounts_;
    std::unique_ptr<server::ConnectionCount> count_;
    std::unique_ptr<delivery::InProcessAgent> agent_;
    std::unique_ptr<app::Front> front_;
    std::unique_ptr<app::Back> back_;
};

}  // namespace sim
