#include "sim/loop.hpp"

#include "base/check.hpp"

#include <cstdio>
#include <stdexcept>

namespace sim {

namespace {

// Monday 2026-01-05 12:00:00 UTC stands at steady second 1000.
constexpr std::chrono::seconds wall_at_start{1767614400};
constexpr std::chrono::seconds steady_at_start{1000};

}  // namespace

env::SteadyTime SimClock::steady() const { return scheduler_.now(); }

env::WallTime SimClock::wall() const {
    return env::WallTime{wall_at_start - steady_at_start + scheduler_.now().time_since_epoch() + shift_};
}

void Scheduler::post(SimLoop* owner, Work work) {
    if (owner && !owner->alive()) return;
    ready_.push_back({owner, owner ? owner->generation() : 0, std::move(work)});
}

Scheduler::TimerId Scheduler::at(SimLoop* owner, env::SteadyTime when, Work work) {
    const TimerId id{std::max(when, now_), ++sequence_};
    if (!owner || owner->alive())
        timers_.emplace(id, Item{owner, owner ? owner->generation() : 0, std::move(work)});
    return id;
}

void Scheduler::run(Item& item) {
    if (item.owner && (!item.owner->alive() || item.generation != item.owner->generation())) return;
    if (++steps_ > steps_max) throw std::runtime_error("the simulated world does not come to rest");
    trace.mix(static_cast<std::uint64_t>(now_.time_since_epoch().count()));
    item.work();
}

bool Scheduler::step(env::SteadyTime horizon) {
    if (!ready_.empty()) {
        Item item = std::move(ready_.front());
        ready_.pop_front();
        run(item);
        return true;
    }
    if (timers_.empty() || timers_.begin()->first.first > horizon) {
        if (horizon != never) now_ = std::max(now_, horizon);
        return false;
    }
    auto node = timers_.extract(timers_.begin());
    now_ = std::max(now_, node.key().first);
    run(node.mapped());
    return true;
}

void Scheduler::run_until_idle() {
    while (step()) {
    }
}

void Scheduler::run_for(env::Duration duration) {
    const auto horizon = now_ + duration;
    while (step(horizon)) {
    }
}

bool Scheduler::run_until(const std::function<bool()>& done, env::Duration limit) {
    const auto horizon = now_ + limit;
    while (!done())
        if (!step(horizon)) return done();
    return true;
}

env::Task<void> SimLoop::drive(env::Task<void> task, std::uint64_t id) {
    try {
        co_await task;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s: an exception escaped from a task: %s\n", name_.c_str(), error.what());
        std::abort();
    }
    task = {};  // what the task owned ends here, before its record does
    post([this, id] { tasks_.erase(id); });
}

void SimLoop::spawn(env::Task<void> task) {
    if (!alive_) return;
    const auto id = next_id_++;
    auto driver = drive(std::move(task), id);
    const auto handle = driver.handle();
    tasks_.emplace(id, Spawned{std::move(driver), scheduler_.now()});
    post([handle] { handle.resume(); });
}

void SimLoop::kill() {
    alive_ = false;
    ++generation_;
    // A frame's destructors may spawn or post: nothing of that is kept, and the map must not change
    // meanwhile.
    auto tasks = std::move(tasks_);
    tasks_.clear();
    while (!tasks.empty()) tasks.erase(std::prev(tasks.end()));
}

std::vector<std::string> SimLoop::unfinished() const {
    std::vector<std::string> out;
    for (const auto& [id, spawned] : tasks_) {
        if (spawned.task.handle().done()) continue;
        const auto at =
            std::chrono::duration_cast<std::chrono::milliseconds>(spawned.started.time_since_epoch());
        out.push_back(name_ + " task " + std::to_string(id) + ", started at " + std::to_string(at.count()) +
                      " ms");
    }
    return out;
}

namespace {

class SimTimer : public env::Timer {
 public:
    explicit SimTimer(SimLoop& loop) : loop_(loop) {}
    ~SimTimer() override { CHECK(!waiting_ || !loop_.alive()); }

    env::Task<env::Woken> wait_until(env::SteadyTime deadline) override {
        CHECK(!waiting_);
        Wait wait{loop_, deadline, &waiting_};
        const bool cancelled = co_await wait;
        co_return cancelled ? env::Woken::Cancelled : env::Woken::DeadlineReached;
    }
    void cancel() override {
        if (waiting_) waiting_->wake();
    }

 private:
    SimLoop& loop_;
    Wait* waiting_ = nullptr;
};

}  // namespace

std::unique_ptr<env::Timer> SimLoop::make_timer() { return std::make_unique<SimTimer>(*this); }

Wait::Wait(SimLoop& loop, env::SteadyTime deadline, Wait** slot)
    : state_(std::make_shared<State>(State{loop})), deadline_(deadline), slot_(slot) {
    if (!slot_) return;
    CHECK(!*slot_);  // one wait at a time
    *slot_ = this;
}

Wait::~Wait() {
    state_->gone = true;
    if (state_->timer) state_->loop.scheduler().cancel(*state_->timer);
    if (slot_ && *slot_ == this) *slot_ = nullptr;
}

void Wait::await_suspend(std::coroutine_handle<> handle) {
    state_->handle = handle;
    if (deadline_ == never) return;
    state_->timer = state_->loop.scheduler().at(&state_->loop, deadline_, [state = state_] {
        state->timer.reset();
        if (state->gone || state->ended) return;
        state->ended = true;
        state->handle.resume();
    });
}

void Wait::end(State& state, bool woken) {
    if (state.ended) return;
    state.ended = true;
    state.woken = woken;
    if (state.timer) state.loop.scheduler().cancel(*std::exchange(state.timer, std::nullopt));
}

void Wait::resume(const std::shared_ptr<State>& state) {
    state->loop.post([state] {
        if (!state->gone) state->handle.resume();
    });
}

}  // namespace sim
