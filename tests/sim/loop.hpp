// Virtual time and the loops of simulated machines. One Scheduler runs every machine's loop: first what was
// posted, in order; when nothing is left, time jumps to the next timer. Nothing here reads a real clock. A
// SimLoop can be killed (its tasks vanish as a process's do) and revived; what was posted to its past life is
// dropped.
#pragma once

#include "base/check.hpp"
#include "env/loop.hpp"
#include "sim/trace.hpp"

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace sim {

/// The deadline of whoever waits without end: no timer is made for it.
constexpr env::SteadyTime never = env::SteadyTime::max();

class Scheduler;

class SimClock : public env::Clock {
 public:
    explicit SimClock(const Scheduler& scheduler) : scheduler_(scheduler) {}
    env::SteadyTime steady() const override;
    env::WallTime wall() const override;
    std::chrono::minutes zone_offset(env::WallTime) const override { return zone; }
    /// The administrator (or NTP) sets the wall clock: steady time does not notice.
    void shift_wall(env::Duration by) { shift_ += by; }
    std::chrono::minutes zone{0};

 private:
    const Scheduler& scheduler_;
    env::Duration shift_{0};
};

class SimLoop;

class Scheduler {
 public:
    using Work = std::move_only_function<void()>;
    using TimerId = std::pair<env::SteadyTime, std::uint64_t>;

    env::SteadyTime now() const { return now_; }
    /// Runs `work` after everything that is ready now. `owner` may be nullptr (the world itself).
    void post(SimLoop* owner, Work work);
    TimerId at(SimLoop* owner, env::SteadyTime when, Work work);
    void cancel(TimerId id) { timers_.erase(id); }

    /// Runs one piece of work, jumping in time when nothing is ready. False when there is nothing left, or
    /// when the next timer lies after `horizon` (then time stands at `horizon`).
    bool step(env::SteadyTime horizon = never);
    /// Until no work and no timer is left. Throws when that takes more than `steps_max` steps.
    void run_until_idle();
    void run_for(env::Duration duration);
    /// False when `limit` of virtual time passed, or nothing is left to run, before `done` was true.
    bool run_until(const std::function<bool()>& done, env::Duration limit = std::chrono::hours{24});

    std::size_t timers() const { return timers_.size(); }
    std::uint64_t steps() const { return steps_; }
    Trace trace;
    void note(std::string_view text) { trace.add(now_.time_since_epoch().count(), text); }

    static constexpr std::uint64_t steps_max = 200'000'000;

 private:
    struct Item {
        SimLoop* owner;
        std::uint64_t generation;
        Work work;
    };
    void run(Item& item);

    env::SteadyTime now_{std::chrono::seconds{1000}};
    std::deque<Item> ready_;
    std::map<TimerId, Item> timers_;
    std::uint64_t sequence_ = 0;
    std::uint64_t steps_ = 0;
};

class SimLoop : public env::Loop {
 public:
    SimLoop(Scheduler& scheduler, std::string name)
        : scheduler_(scheduler), name_(std::move(name)), clock_(scheduler) {}
    ~SimLoop() override { kill(); }
    SimLoop(const SimLoop&) = delete;

    void post(std::move_only_function<void()> work) override { scheduler_.post(this, std::move(work)); }
    void spawn(env::Task<void> task) override;
    std::unique_ptr<env::Timer> make_timer() override;
    SimClock& clock() override { return clock_; }

    /// Destroys every task where it stands. Until revive(), posts and spawns are dropped.
    void kill();
    void revive() { alive_ = true; }
    bool alive() const { return alive_; }
    std::uint64_t generation() const { return generation_; }
    Scheduler& scheduler() { return scheduler_; }
    const std::string& name() const { return name_; }
    /// "NAME task 7, started at 1000.25 s", one for each that has not ended.
    std::vector<std::string> unfinished() const;

    // What tests call; the same for every loop of a world.
    void run_until_idle() { scheduler_.run_until_idle(); }
    void run_for(env::Duration duration) { scheduler_.run_for(duration); }
    bool run_until(const std::function<bool()>& done, env::Duration limit = std::chrono::hours{24}) {
        return scheduler_.run_until(done, limit);
    }
    /// Starts `task` and runs the world until it is done; CHECK-fails when the world has nothing left to run
    /// first.
    template <class T>
    T run(env::Task<T> task) {
        auto handle = task.handle();
        post([handle] { handle.resume(); });
        run_until([handle] { return handle.done(); }, std::chrono::hours{24 * 365});
        CHECK(handle.done());
        return handle.promise().take();
    }

 private:
    struct Spawned {
        env::Task<void> task;
        env::SteadyTime started;
    };
    env::Task<void> drive(env::Task<void> task, std::uint64_t id);

    Scheduler& scheduler_;
    std::string name_;
    SimClock clock_;
    bool alive_ = true;
    std::uint64_t generation_ = 0;
    std::uint64_t next_id_ = 1;
    std::map<std::uint64_t, Spawned> tasks_;
};

/// One suspension of one coroutine: ends with wake() or at the deadline. Lives in the frame that waits; when
/// that frame is destroyed, a wake under way is forgotten. `slot`, when given, points here while the wait
/// lives.
class Wait {
 public:
    Wait(SimLoop& loop, env::SteadyTime deadline, Wait** slot = nullptr);
    ~Wait();
    Wait(const Wait&) = delete;
    void wake() {
        if (state_->ended) return;
        end(*state_, true);
        if (state_->handle) resume(state_);
    }

    bool await_ready() const noexcept { return state_->ended; }
    void await_suspend(std::coroutine_handle<> handle);
    /// True: woken. False: the deadline came first.
    bool await_resume() const noexcept { return state_->woken; }

 private:
    struct State {
        SimLoop& loop;
        std::coroutine_handle<> handle{};
        std::optional<Scheduler::TimerId> timer{};
        bool ended = false;
        bool woken = false;
        bool gone = false;
    };
    static void end(State& state, bool woken);
    static void resume(const std::shared_ptr<State>& state);

    std::shared_ptr<State> state_;
    env::SteadyTime deadline_;
    Wait** slot_;
};

}  // namespace sim
