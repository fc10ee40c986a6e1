#include "app/command_runner.hpp"

#include "base/text.hpp"
#include "delivery/maildir.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace app {
namespace {

using delivery::AgentResult;
using Clock = std::chrono::steady_clock;

struct ExitMeaning {
    int code;
    mail::Status status;
    const char* text;
};
// sysexits(3), with the status codes Postfix gives them.
constexpr ExitMeaning meanings[] = {
    {64, {5, 3, 0}, "command line usage error"},  {65, {5, 6, 0}, "data format error"},
    {66, {5, 3, 0}, "cannot open input"},         {67, {5, 1, 1}, "user unknown"},
    {68, {5, 1, 2}, "host name unknown"},         {69, {5, 3, 0}, "service unavailable"},
    {70, {5, 3, 0}, "internal software error"},   {71, {4, 3, 0}, "system resource problem"},
    {72, {5, 3, 0}, "critical OS file missing"},  {73, {5, 2, 0}, "can't create user output file"},
    {74, {5, 3, 0}, "input/output error"},        {75, {4, 3, 0}, "temporary failure"},
    {76, {5, 3, 0}, "remote error in protocol"},  {77, {5, 7, 0}, "permission denied"},
    {78, {5, 3, 5}, "local configuration error"},
};

struct Descriptor {
    int value = -1;
    ~Descriptor() { close(); }
    void close() {
        if (value >= 0) ::close(value);
        value = -1;
    }
};

struct Pipe {
    Descriptor read, write;
    bool open() {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0) return false;
        read.value = ends[0];
        write.value = ends[1];
        return true;
    }
};

[[noreturn]] void execute(const delivery::CommandJob& job, int input, int output) {
    ::setpgid(0, 0);
    ::dup2(input, 0);
    ::dup2(output, 1);
    ::dup2(output, 2);
    ::signal(SIGPIPE, SIG_DFL);
    constexpr int temporary = 75;
    if (!job.directory.empty() && ::chdir(job.directory.c_str()) != 0 && ::chdir("/") != 0)
        ::_exit(temporary);
    std::vector<std::string> environment{"PATH=/usr/local/bin:/usr/bin:/bin", "SHELL=/bin/sh", "LANG=C"};
    for (const auto& [name, value] : job.environment) environment.push_back(name + "=" + value);
    std::vector<std::string> words =
        job.argv.empty() ? std::vector<std::string>{"/bin/sh", "-c", job.shell_command} : job.argv;
    std::vector<char*> arguments, variables;
    for (auto& word : words) arguments.push_back(word.data());
    for (auto& variable : environment) variables.push_back(variable.data());
    arguments.push_back(nullptr);
    variables.push_back(nullptr);
    ::execvpe(arguments[0], arguments.data(), variables.data());
    const std::string problem = fmt::format("{}: {}", words[0], std::strerror(errno));
    static_cast<void>(::write(2, problem.data(), problem.size()) + 0);
    ::_exit(temporary);
}

/// Feeds the command and keeps the first `output_max` octets of what it says.
class Feeder {
 public:
    Feeder(Pipe& input, Pipe& output, const delivery::CommandJob& job)
        : input_(input.write),
          output_(output.read),
          job_(job),
          until_(Clock::now() + std::chrono::seconds(job.time_limit_seconds)) {
        ::fcntl(input_.value, F_SETFL, O_NONBLOCK);
    }
    /// False: out of time.
    bool give(std::string_view bytes) {
        while (!bytes.empty() && input_.value >= 0) {
            const auto done = ::write(input_.value, bytes.data(), bytes.size());
            if (done > 0) {
                bytes.remove_prefix(static_cast<std::size_t>(done));
            } else if (done < 0 && errno == EAGAIN) {
                if (!wait()) return false;
            } else if (done < 0 && errno != EINTR) {
                input_.close();  // it wants no more
            }
        }
        return true;
    }
    /// Until the command closes its output. False: out of time.
    bool finish() {
        input_.close();
        while (output_.value >= 0)
            if (!wait()) return false;
        return true;
    }
    const std::string& said() const { return said_; }

 private:
    bool wait() {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(until_ - Clock::now()).count();
        if (left <= 0) return false;
        pollfd descriptors[2] = {{output_.value, POLLIN, 0}, {input_.value, POLLOUT, 0}};
        const int ready = ::poll(descriptors, 2, static_cast<int>(std::min<std::int64_t>(left, 60000)));
        if (ready < 0 && errno != EINTR) return false;
        if (ready > 0 && descriptors[0].revents != 0) {
            char piece[4096];
            const auto got = ::read(output_.value, piece, sizeof piece);
            if (got <= 0)
                output_.close();
            else if (said_.size() < job_.output_max)
                said_.append(piece, static_cast<std::size_t>(got));
        }
        return true;
    }
    Descriptor& input_;
    Descriptor& output_;
    const delivery::CommandJob& job_;
    Clock::time_point until_;
    std::string said_;
};

AgentResult meaning_of(int status, const std::string& command, const std::string& said) {
    const std::string output =
        said.empty() ? "" : ". Command output: " + base::printable(base::trim(said), 1000);
    if (WIFSIGNALED(status))
        return {{4, 3, 0},
                fmt::format("Command died with signal {}: \"{}\"{}", WTERMSIG(status), command, output)};
    const int code = WEXITSTATUS(status);
    if (code == 0) return {{2, 0, 0}, "delivered to command: " + command};
    const auto* meaning = std::ranges::find(meanings, code, &ExitMeaning::code);
    if (meaning != std::end(meanings)) return {meaning->status, meaning->text + output};
    return {{5, 3, 0}, fmt::format("Command died with status {}: \"{}\"{}", code, command, output)};
}

}  // namespace

AgentResult run_command(const delivery::CommandJob& job,
                        const std::function<std::optional<std::string>()>& next) {
    const std::string shown = base::printable(job.argv.empty() ? job.shell_command : job.argv.front(), 200);
    const auto drain = [&] {
        for (auto piece = next(); piece && !piece->empty(); piece = next()) {
        }
    };
    Pipe input, output;
    if (!input.open() || !output.open()) {
        drain();
        return {{4, 3, 0}, "out of descriptors"};
    }
    const pid_t child = ::fork();
    if (child < 0) {
        drain();
        return {{4, 3, 0}, "cannot start a process"};
    }
    if (child == 0) execute(job, input.read.value, output.write.value);
    ::setpgid(child, child);
    input.read.close();
    output.write.close();
    Feeder feeder(input, output, job);
    delivery::LineEnds lines;
    const auto converted = [&](std::string_view text) {
        return job.crlf ? std::string(text) : lines.convert(text);
    };
    bool in_time = feeder.give(converted(job.prefix)), broken = false;
    for (;;) {
        const auto piece = next();
        broken = !piece;
        if (broken || piece->empty()) break;
        if (in_time) in_time = feeder.give(converted(*piece));
    }
    if (in_time && !broken) in_time = feeder.give(job.crlf ? "" : lines.finish()) && feeder.finish();
    if (!in_time || broken) ::kill(-child, SIGKILL);
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (broken) return {{4, 3, 0}, "the message broke off"};
    if (!in_time) return {{4, 3, 0}, fmt::format("Command time limit exceeded: \"{}\"", shown)};
    return meaning_of(status, shown, feeder.said());
}

}  // namespace app
