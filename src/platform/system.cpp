#include "platform/system.hpp"

#include "base/check.hpp"
#include "base/text.hpp"

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <ctime>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace platform {

void work_in_batches() {
    const sched_param plain{};
    static_cast<void>(::sched_setscheduler(0, SCHED_BATCH, &plain));  // of this thread; refused, all goes on
}

bool write_all(int descriptor, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
}

env::SteadyTime SystemClock::steady() const { return std::chrono::steady_clock::now(); }
env::WallTime SystemClock::wall() const { return std::chrono::system_clock::now(); }

std::chrono::minutes SystemClock::zone_offset(env::WallTime at) const {
    const std::time_t seconds =
        std::chrono::system_clock::to_time_t(std::chrono::floor<std::chrono::seconds>(at));
    // The zone changes at most every quarter of an hour; localtime_r takes a lock each time.
    constexpr std::time_t quarter = 900;
    thread_local std::time_t known_for = -1;
    thread_local long offset = 0;
    if (seconds / quarter != known_for) {
        std::tm local{};
        ::localtime_r(&seconds, &local);
        offset = local.tm_gmtoff;
        known_for = seconds / quarter;
    }
    return std::chrono::minutes(offset / 60);
}

void SystemRandom::fill(std::span<char> bytes) {
    while (!bytes.empty()) {
        const ssize_t got = ::getrandom(bytes.data(), bytes.size(), 0);
        if (got < 0 && errno == EINTR) continue;
        CHECK(got > 0);
        bytes = bytes.subspan(static_cast<std::size_t>(got));
    }
}

std::uint64_t SystemRandom::next() {
    std::uint64_t out = 0;
    fill({reinterpret_cast<char*>(&out), sizeof out});
    return out;
}

ThreadPool::ThreadPool(unsigned threads) {
    for (unsigned i = 0; i < threads; ++i) threads_.emplace_back([this] { run(); });
}

ThreadPool::~ThreadPool() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_all();
    for (auto& thread : threads_) thread.join();
}

void ThreadPool::submit(std::move_only_function<void()> work) {
    {
        const std::lock_guard lock(mutex_);
        queue_.push_back(std::move(work));
    }
    wake_.notify_one();
}

void ThreadPool::run() {
    std::unique_lock lock(mutex_);
    for (;;) {
        wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
        if (queue_.empty()) return;
        auto work = std::move(queue_.front());
        queue_.pop_front();
        lock.unlock();
        work();
        work = nullptr;
        lock.lock();
    }
}

namespace {

struct PoolAwaiter {
    ThreadPool& pool;
    env::Loop& loop;
    std::move_only_function<void()>& work;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle) {
        pool.submit([this, handle] {
            work();
            loop.post([handle] { handle.resume(); });
        });
    }
    void await_resume() const noexcept {}
};

}  // namespace

env::Task<void> PoolWorkers::run_erased(std::move_only_function<void()> work) {
    PoolAwaiter awaiter{pool_, loop_, work};
    co_await awaiter;
}

std::expected<std::optional<env::UnixUser>, env::FileError> PosixUsers::find(const std::string& name) {
    std::string buffer(16 * 1024, '\0');
    passwd entry{};
    passwd* found = nullptr;
    const int error = ::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
    if (error != 0 && error != ENOENT) return std::unexpected(env::FileError::Io);
    if (!found) return std::optional<env::UnixUser>{};
    return env::UnixUser{entry.pw_name, entry.pw_uid,   entry.pw_gid,
                         entry.pw_dir,  entry.pw_shell, entry.pw_gecos};
}

std::expected<std::optional<std::uint32_t>, env::FileError> PosixUsers::find_group(const std::string& name) {
    constexpr std::size_t entry_octets_max = 64 << 10;
    std::string buffer(entry_octets_max, '\0');
    group entry{};
    group* found = nullptr;
    const int error = ::getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
    if (error != 0 && error != ENOENT) return std::unexpected(env::FileError::Io);
    if (!found) return std::optional<std::uint32_t>{};
    return entry.gr_gid;
}

void tell_service_manager(std::string_view state) {
    const char* path = std::getenv("NOTIFY_SOCKET");
    if (!path || (path[0] != '/' && path[0] != '@')) return;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string_view name(path);
    if (name.size() >= sizeof address.sun_path) return;
    name.copy(address.sun_path, name.size());
    if (address.sun_path[0] == '@') address.sun_path[0] = '\0';  // an abstract socket
    const int descriptor = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return;
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    static_cast<void>(::sendto(descriptor, state.data(), state.size(), MSG_NOSIGNAL,
                               reinterpret_cast<const sockaddr*>(&address), length) +
                      0);
    ::close(descriptor);
}

std::chrono::microseconds watchdog_interval() {
    const char* text = std::getenv("WATCHDOG_USEC");
    const auto number = text ? base::parse_number(text, 1'000'000'000'000) : std::nullopt;
    return std::chrono::microseconds(number.value_or(0));
}

}  // namespace platform
