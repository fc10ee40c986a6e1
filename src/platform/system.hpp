// The small pieces of the real world: clock, randomness, worker threads, files, users.
#pragma once

#include "env/clock.hpp"
#include "env/file_system.hpp"
#include "env/loop.hpp"
#include "env/random.hpp"
#include "env/workers.hpp"

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace platform {

class SystemClock : public env::Clock {
 public:
    env::SteadyTime steady() const override;
    env::WallTime wall() const override;
    std::chrono::minutes zone_offset(env::WallTime at) const override;
};

/// getrandom(2).
class SystemRandom : public env::Random {
 public:
    void fill(std::span<char> bytes) override;
    std::uint64_t next() override;
};

/// A fixed number of threads with one queue; shared by the loops.
class ThreadPool {
 public:
    explicit ThreadPool(unsigned threads);
    /// Finishes what was submitted.
    ~ThreadPool();
    void submit(std::move_only_function<void()> work);

 private:
    void run();
    std::mutex mutex_;  // guards queue_ and stopping_
    std::condition_variable wake_;
    std::deque<std::move_only_function<void()>> queue_;
    bool stopping_ = false;
    std::vector<std::thread> threads_;
};

/// One loop's face of the pool.
class PoolWorkers : public env::Workers {
 public:
    PoolWorkers(ThreadPool& pool, env::Loop& loop) : pool_(pool), loop_(loop) {}
    env::Task<void> run_erased(std::move_only_function<void()> work) override;

 private:
    ThreadPool& pool_;
    env::Loop& loop_;
};

class PosixFileSystem : public env::FileSystem {
 public:
    std::expected<std::unique_ptr<env::File>, env::FileError> open(const std::string& path,
                                                                   env::OpenMode mode,
                                                                   std::uint32_t permissions) override;
    std::expected<std::string, env::FileError> read(const std::string& path, std::uint64_t max) override;
    std::expected<Opened, env::FileError> read_foreign(const std::string& path, std::uint64_t max) override;
    std::expected<env::FileStat, env::FileError> stat(const std::string& path) override;
    std::expected<env::FileStat, env::FileError> lstat(const std::string& path) override;
    std::expected<void, env::FileError> make_directory(const std::string& path,
                                                       std::uint32_t permissions) override;
    std::expected<void, env::FileError> rename(const std::string& from, const std::string& to) override;
    std::expected<void, env::FileError> link(const std::string& from, const std::string& to) override;
    std::expected<void, env::FileError> remove(const std::string& path) override;
    std::expected<void, env::FileError> sync_directory(const std::string& path) override;
    std::expected<std::vector<std::string>, env::FileError> list(const std::string& path) override;
};

class PosixUsers : public env::UserDatabase {
 public:
    std::expected<std::optional<env::UnixUser>, env::FileError> find(const std::string& name) override;
    std::expected<std::optional<std::uint32_t>, env::FileError> find_group(const std::string& name) override;
};

/// Tells the scheduler that this thread works through what there is (SCHED_BATCH, sched(7)): woken, it does
/// not take the processor from who woke it, finds more to do at one go, and changes hands less often.
void work_in_batches();

/// All of `bytes` to a blocking descriptor; false: errno says why.
bool write_all(int descriptor, std::string_view bytes);

/// Tells systemd (sd_notify(3): "READY=1", "STOPPING=1", "WATCHDOG=1"), when $NOTIFY_SOCKET is there; else
/// nothing.
void tell_service_manager(std::string_view state);
/// How often WATCHDOG=1 is wanted; zero: not at all.
std::chrono::microseconds watchdog_interval();

}  // namespace platform
