#include "platform/posix_programs.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

extern char** environ;

namespace platform {
namespace {

using Clock = std::chrono::steady_clock;

/// A child that is waited for whatever happens; with its group it ends when this does.
struct Child {
    pid_t pid = -1;
    int output = -1;
    int status = 0;
    bool ended = false;
    ~Child() {
        if (pid > 0 && !ended) {
            ::kill(-pid, SIGKILL);
            while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
            }
        }
        if (output >= 0) ::close(output);
    }
};

int start(const std::vector<std::string>& argv, Child& child) {
    int pipe[2];
    if (::pipe2(pipe, O_CLOEXEC) != 0) return errno;
    child.output = pipe[0];
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, pipe[1], STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none;
    ::sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    std::vector<char*> words;
    for (const auto& word : argv) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    const int error = ::posix_spawn(&child.pid, argv[0].c_str(), &files, &attributes, words.data(), environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    ::close(pipe[1]);
    if (error != 0) child.pid = -1;
    return error;
}

}  // namespace

std::expected<std::string, std::string> program_output(const std::vector<std::string>& argv,
                                                       env::ProgramLimits limits) {
    const auto until = Clock::now() + limits.time;
    if (argv.empty() || !argv[0].starts_with('/'))
        return std::unexpected("a program is named by its full path");
    Child child;
    if (const int error = start(argv, child); error != 0)
        return std::unexpected(fmt::format("cannot run {}: {}", argv[0], std::strerror(error)));
    const auto left = [&] {
        return static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count());
    };
    std::string out;
    for (;;) {
        pollfd readable{child.output, POLLIN, 0};
        const int wait = left();
        if (wait <= 0)
            return std::unexpected(fmt::format("{} gave no answer in {} s", argv[0], limits.time.count()));
        if (::poll(&readable, 1, wait) <= 0) continue;
        char piece[4096];
        const auto got = ::read(child.output, piece, sizeof piece);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        out.append(piece, static_cast<std::size_t>(got));
        if (out.size() > limits.octets) return std::unexpected(fmt::format("{} writes too much", argv[0]));
    }
    // It closed its output; now it should end.
    constexpr auto pause = std::chrono::milliseconds(5);
    for (;;) {
        const pid_t done = ::waitpid(child.pid, &child.status, WNOHANG);
        child.ended = done == child.pid;
        if (child.ended) break;
        if (done < 0 && errno != EINTR)
            return std::unexpected(fmt::format("{} cannot be waited for", argv[0]));
        if (left() <= 0) return std::unexpected(fmt::format("{} does not end", argv[0]));
        std::this_thread::sleep_for(pause);
    }
    if (WIFEXITED(child.status) && WEXITSTATUS(child.status) == 0) return out;
    if (WIFEXITED(child.status))
        return std::unexpected(
            fmt::format("{} ended with exit status {}", argv[0], WEXITSTATUS(child.status)));
    return std::unexpected(fmt::format("{} was ended by signal {}", argv[0], WTERMSIG(child.status)));
}

env::Task<std::expected<std::string, std::string>> PosixPrograms::output(std::vector<std::string> argv,
                                                                         env::ProgramLimits limits) {
    const auto work = [argv = std::move(argv), limits] { return program_output(argv, limits); };
    auto out = co_await workers_.run(work);
    co_return out;
}

}  // namespace platform
