// Private to platform/: what Asio needs, kept out of the other headers. The deadline wheel gives every
// pending read and write a coarse time-out (a tick of 100 ms) without a timer object for each.
#pragma once

#include "platform/asio_loop.hpp"

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <mutex>
#include <unordered_set>
#include <vector>

namespace platform {

/// One pending wait. Its owner removes it before it dies.
struct DeadlineNode {
    DeadlineNode* next = nullptr;
    DeadlineNode* previous = nullptr;
    env::SteadyTime deadline;
    bool linked() const { return next != nullptr; }
    virtual void expired() = 0;

 protected:
    ~DeadlineNode() = default;
};

class DeadlineWheel {
 public:
    static constexpr auto tick = std::chrono::milliseconds(100);
    static constexpr std::size_t slots = 4096;
    DeadlineWheel();
    void add(DeadlineNode& node, env::SteadyTime now);
    void remove(DeadlineNode& node);
    /// Expires what is due.
    void advance(env::SteadyTime now);
    bool empty() const { return count_ == 0; }

 private:
    struct Head final : DeadlineNode {
        void expired() override {}
    };
    static void link(DeadlineNode& head, DeadlineNode& node);
    static void unlink(DeadlineNode& node);
    std::array<Head, slots> heads_;
    std::int64_t position_ = 0;  // in ticks since the clock's epoch
    std::size_t count_ = 0;
};

class Readiness;

struct AsioLoop::State {
    explicit State(env::Clock& c);
    ~State();
    env::Clock& clock;
    boost::asio::io_context io{BOOST_ASIO_CONCURRENCY_HINT_1};
    DeadlineWheel wheel;
    std::unique_ptr<Readiness> readiness;
    boost::asio::steady_timer tick_timer;
    bool ticking = false;
    std::unordered_set<void*> tasks;
    std::mutex mutex;  // guards `posted` and `drain_scheduled`
    std::vector<std::move_only_function<void()>> posted;
    bool drain_scheduled = false;

    void add_deadline(DeadlineNode& node, env::SteadyTime deadline);
    void start_ticking();
    void drain();
};

}  // namespace platform
