#include "platform/asio_loop.hpp"

#include "platform/asio_state.hpp"
#include "platform/readiness.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

namespace platform {
namespace {

/// The frame around a spawned task: starts it, forgets it when it is done.
struct Detached {
    struct promise_type {
        AsioLoop::State& state;
        promise_type(AsioLoop::State& s, env::Task<void>&) : state(s) {
            state.tasks.insert(std::coroutine_handle<promise_type>::from_promise(*this).address());
        }
        ~promise_type() {
            state.tasks.erase(std::coroutine_handle<promise_type>::from_promise(*this).address());
        }
        Detached get_return_object() noexcept { return {}; }
        std::suspend_never initial_suspend() const noexcept { return {}; }
        std::suspend_never final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() noexcept { std::terminate(); }
    };
};

Detached drive(AsioLoop::State&, env::Task<void> task) { co_await task; }

class AsioTimer : public env::Timer {
 public:
    explicit AsioTimer(AsioLoop::State& state) : state_(state), timer_(state.io) {}

    env::Task<env::Woken> wait_until(env::SteadyTime deadline) override {
        timer_.expires_after(deadline - state_.clock.steady());
        Wait wait{timer_, {}};
        const boost::system::error_code error = co_await wait;
        co_return error ? env::Woken::Cancelled : env::Woken::DeadlineReached;
    }
    void cancel() override { timer_.cancel(); }

 private:
    struct Wait {
        boost::asio::steady_timer& timer;
        boost::system::error_code error;
        bool await_ready() const noexcept { return false; }
        void await_suspend(std::coroutine_handle<> handle) {
            timer.async_wait([this, handle](boost::system::error_code e) {
                error = e;
                handle.resume();
            });
        }
        boost::system::error_code await_resume() const noexcept { return error; }
    };
    AsioLoop::State& state_;
    boost::asio::steady_timer timer_;
};

std::int64_t ticks_of(env::SteadyTime at) { return at.time_since_epoch() / DeadlineWheel::tick; }

}  // namespace

DeadlineWheel::DeadlineWheel() {
    for (auto& head : heads_) head.next = head.previous = &head;
}

void DeadlineWheel::link(DeadlineNode& head, DeadlineNode& node) {
    node.previous = head.previous;
    node.next = &head;
    head.previous->next = &node;
    head.previous = &node;
}

void DeadlineWheel::unlink(DeadlineNode& node) {
    node.previous->next = node.next;
    node.next->previous = node.previous;
    node.next = node.previous = nullptr;
}

void DeadlineWheel::add(DeadlineNode& node, env::SteadyTime now) {
    if (count_++ == 0) position_ = ticks_of(now);
    // Rounded up; beyond the horizon the node waits in the last slot and is put in again from there.
    const std::int64_t due = std::max(ticks_of(node.deadline) + 1, position_ + 1);
    const std::int64_t at = std::min(due, position_ + static_cast<std::int64_t>(slots) - 1);
    link(heads_[static_cast<std::size_t>(at) % slots], node);
}

void DeadlineWheel::remove(DeadlineNode& node) {
    if (!node.linked()) return;
    unlink(node);
    --count_;
}

void DeadlineWheel::advance(env::SteadyTime now) {
    const std::int64_t target = ticks_of(now);
    while (count_ > 0 && position_ < target) {
        ++position_;
        auto& head = heads_[static_cast<std::size_t>(position_) % slots];
        Head due;  // nodes are moved out first: expired() may add new ones to this slot
        due.next = due.previous = &due;
        while (head.next != &head) {
            auto& node = *head.next;
            unlink(node);
            link(due, node);
        }
        while (due.next != &due) {
            auto& node = *due.next;
            const bool early = ticks_of(node.deadline) >= position_;
            remove(node);
            if (early)
                add(node, now);
            else
                node.expired();
        }
    }
}

AsioLoop::State::State(env::Clock& c)
    : clock(c), readiness(std::make_unique<Readiness>(io)), tick_timer(io) {}
AsioLoop::State::~State() = default;

void AsioLoop::State::add_deadline(DeadlineNode& node, env::SteadyTime deadline) {
    node.deadline = deadline;
    wheel.add(node, clock.steady());
    if (!ticking) start_ticking();
}

void AsioLoop::State::start_ticking() {
    ticking = true;
    tick_timer.expires_after(DeadlineWheel::tick);
    tick_timer.async_wait([this](boost::system::error_code error) {
        if (error) return;
        ticking = false;
        wheel.advance(clock.steady());
        if (!wheel.empty() && !ticking) start_ticking();
    });
}

void AsioLoop::State::drain() {
    std::vector<std::move_only_function<void()>> work;
    {
        const std::lock_guard lock(mutex);
        work.swap(posted);
        drain_scheduled = false;
    }
    for (auto& item : work) item();
}

AsioLoop::AsioLoop(env::Clock& clock) : state_(std::make_unique<State>(clock)) {}
AsioLoop::~AsioLoop() { destroy_tasks(); }

void AsioLoop::post(std::move_only_function<void()> work) {
    {
        const std::lock_guard lock(state_->mutex);
        state_->posted.push_back(std::move(work));
        if (state_->drain_scheduled) return;
        state_->drain_scheduled = true;
    }
    boost::asio::post(state_->io, [state = state_.get()] { state->drain(); });
}

void AsioLoop::spawn(env::Task<void> task) { drive(*state_, std::move(task)); }
std::unique_ptr<env::Timer> AsioLoop::make_timer() { return std::make_unique<AsioTimer>(*state_); }
env::Clock& AsioLoop::clock() { return state_->clock; }

void AsioLoop::run() {
    const auto guard = boost::asio::make_work_guard(state_->io);
    state_->io.run();
}

void AsioLoop::stop() { state_->io.stop(); }
void AsioLoop::restart() { state_->io.restart(); }

void AsioLoop::destroy_tasks() {
    while (!state_->tasks.empty()) std::coroutine_handle<>::from_address(*state_->tasks.begin()).destroy();
    const std::lock_guard lock(state_->mutex);
    state_->posted.clear();
}

std::size_t AsioLoop::live_tasks() const { return state_->tasks.size(); }

}  // namespace platform
