// The real env::Loop: one single-threaded io_context. Posts from other threads are batched: one wake-up for
// many. run() belongs to one thread; everything else but post() and stop() is called on it (or before it
// starts).
#pragma once

#include "env/loop.hpp"

#include <memory>

namespace platform {

class AsioLoop : public env::Loop {
 public:
    explicit AsioLoop(env::Clock& clock);
    ~AsioLoop() override;
    void post(std::move_only_function<void()> work) override;
    void spawn(env::Task<void> task) override;
    std::unique_ptr<env::Timer> make_timer() override;
    env::Clock& clock() override;

    /// Runs until stop(). Exceptions that escape a spawned task abort the process: they are bugs.
    void run();
    /// Thread-safe.
    void stop();
    /// run() may be called again after a stop().
    void restart();
    /// Destroys the frames of unfinished tasks. After run() has returned, before the objects they refer to
    /// go.
    void destroy_tasks();
    std::size_t live_tasks() const;

    struct State;
    State& state() { return *state_; }

 private:
    std::unique_ptr<State> state_;
};

}  // namespace platform
