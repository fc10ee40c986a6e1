// Loop: one single-threaded event loop. Every object belongs to one loop; loops pass values with post().
// Timer: one cancellable wait. Event: a one-loop condition for "wake whoever waits".
#pragma once

#include "env/clock.hpp"
#include "env/task.hpp"

#include <coroutine>
#include <functional>
#include <memory>
#include <vector>

namespace env {

enum class Woken { DeadlineReached, Cancelled };

/// One wait at a time. Belongs to its loop. Destroy only when nothing waits.
class Timer {
 public:
    virtual ~Timer() = default;
    virtual Task<Woken> wait_until(SteadyTime deadline) = 0;
    /// Ends a running wait with Cancelled; nothing when none runs. The waiter resumes from the loop, not from
    /// here.
    virtual void cancel() = 0;
};

class Loop {
 public:
    virtual ~Loop() = default;
    /// Runs `work` on this loop, soon. The only member that other threads may call.
    virtual void post(std::move_only_function<void()> work) = 0;
    /// Starts `task` from the loop and owns it to its end. An escaping exception is a bug and aborts.
    virtual void spawn(Task<void> task) = 0;
    virtual std::unique_ptr<Timer> make_timer() = 0;
    virtual Clock& clock() = 0;

    Task<void> sleep_until(SteadyTime deadline) {
        auto timer = make_timer();
        co_await timer->wait_until(deadline);
    }
    Task<void> sleep(Duration duration) { return sleep_until(clock().steady() + duration); }
};

/// Suspends until some other code on the same loop calls notify_all(). Waiters resume through Loop::post.
class Event {
 public:
    explicit Event(Loop& loop) : loop_(loop) {}
    Event(const Event&) = delete;

    struct Awaiter {
        Event& event;
        bool await_ready() const noexcept { return false; }
        void await_suspend(std::coroutine_handle<> handle) { event.waiting_.push_back(handle); }
        void await_resume() const noexcept {}
    };
    Awaiter wait() { return Awaiter{*this}; }
    void notify_all() {
        for (auto handle : std::exchange(waiting_, {})) loop_.post([handle] { handle.resume(); });
    }
    bool has_waiters() const { return !waiting_.empty(); }

 private:
    Loop& loop_;
    std::vector<std::coroutine_handle<>> waiting_;
};

}  // namespace env
