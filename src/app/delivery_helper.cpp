#include "app/delivery_helper.hpp"

#include "app/command_runner.hpp"
#include "app/delivery_job.hpp"
#include "app/pam_check.hpp"
#include "delivery/in_process_agent.hpp"
#include "delivery/maildir.hpp"
#include "platform/system.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <functional>
#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace app {
namespace {

using delivery::AgentResult;

bool read_exactly(int descriptor, char* into, std::size_t octets) {
    while (octets > 0) {
        const auto got = ::read(descriptor, into, octets);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        into += got;
        octets -= static_cast<std::size_t>(got);
    }
    return true;
}

/// The content, frame by frame. "" is the end; nullopt: it broke off, nothing must be delivered.
std::optional<std::string> next_frame(int socket) {
    unsigned char header[4];
    if (!read_exactly(socket, reinterpret_cast<char*>(header), sizeof header)) return std::nullopt;
    const std::size_t octets = (std::size_t{header[0]} << 24) | (std::size_t{header[1]} << 16) |
                               (std::size_t{header[2]} << 8) | header[3];
    if (octets > helper_frame_octets_max) return std::nullopt;
    std::string out(octets, '\0');
    if (!read_exactly(socket, out.data(), octets)) return std::nullopt;
    return out;
}

/// "" or why not.
std::string become(const delivery::Credentials& as, std::optional<gid_t> group) {
    if (::geteuid() != 0)
        return ::geteuid() == as.uid
                   ? ""
                   : "the server was not started as root: it cannot deliver as another user";
    const gid_t gid = group.value_or(as.gid);
    const bool groups =
        as.user_name.empty() ? ::setgroups(0, nullptr) == 0 : ::initgroups(as.user_name.c_str(), as.gid) == 0;
    if (!groups || ::setgid(gid) != 0 || ::setuid(as.uid) != 0)
        return fmt::format("cannot become user id {}: {}", as.uid, std::strerror(errno));
    if (as.uid != 0 && ::setuid(0) == 0) return "root came back after it was given up";
    return "";
}

/// A spool folder that a group may write (root:mail, 2775) lets its dot locks be made by that group.
std::optional<gid_t> spool_group(const std::string& path) {
    struct stat folder{};
    const auto slash = path.rfind('/');
    if (slash == std::string::npos || ::stat(path.substr(0, slash == 0 ? 1 : slash).c_str(), &folder) != 0)
        return std::nullopt;
    const bool by_group =
        (folder.st_mode & S_IWGRP) != 0 && (folder.st_mode & S_IWOTH) == 0 && folder.st_uid == 0;
    return by_group ? std::optional(folder.st_gid) : std::nullopt;
}

AgentResult write_mailbox(delivery::MailboxWriter& writer, int socket) {
    AgentResult result = writer.begin();
    bool begun = result.status.is_success();
    for (;;) {
        const auto piece = next_frame(socket);
        if (!piece) {
            if (begun) writer.abandon();
            return {{4, 3, 0}, "the message broke off"};
        }
        if (piece->empty()) break;
        if (!result.status.is_success()) continue;  // the rest is read, so that the answer gets through
        result = writer.write(*piece);
    }
    if (result.status.is_success()) result = writer.finish();
    if (!result.status.is_success()) writer.abandon();
    return result;
}

class Job {
 public:
    Job(const HelperSettings& settings, int socket, std::uint64_t number)
        : settings_(settings), socket_(socket), number_(number) {}

    HelperResult run(HelperJob job) {
        if (auto* read = std::get_if<ReadJob>(&job)) return run_read(*read);
        if (auto* pam = std::get_if<PamJob>(&job)) return run_pam(*pam);
        auto& agent = std::get<delivery::AgentJob>(job);
        return {run_agent(agent), std::nullopt};
    }

 private:
    static HelperResult run_pam(const PamJob& job) {
        using Kind = accounts::LoginAnswer::Kind;
        auto answer = check_with_pam(job.question);
        if (answer.kind == Kind::Right) return {{{2, 0, 0}, ""}, std::move(answer.user)};
        const mail::Status status =
            answer.kind == Kind::Wrong ? mail::Status{5, 7, 8} : mail::Status{4, 7, 0};
        return {{status, std::move(answer.why)}, std::nullopt};
    }
    HelperResult run_read(const ReadJob& job) {
        if (job.as.uid == 0) return read_named(job.path);
        if (auto problem = become(job.as, std::nullopt); !problem.empty())
            return {{{4, 3, 5}, problem}, std::nullopt};
        platform::PosixFileSystem files;
        auto text = delivery::read_list_file(files, job.path, job.as.uid);
        if (!text) return {{{4, 2, 4}, text.error()}, std::nullopt};
        return {{{2, 0, 0}, ""}, std::move(*text)};
    }

    // As root, only what the configuration named at start.
    HelperResult read_named(const std::string& path) {
        if (!settings_.readable.contains(path))
            return {{{4, 3, 5}, "that file is not named in the configuration the server was started with"},
                    std::nullopt};
        platform::PosixFileSystem files;
        auto text = files.read(path, delivery::list_file_octets_max);
        if (!text) return {{{4, 3, 5}, std::string(env::to_text(text.error()))}, std::nullopt};
        return {{{2, 0, 0}, ""}, std::move(*text)};
    }

    AgentResult run_agent(delivery::AgentJob& job) {
        const delivery::Credentials as = job.as.value_or(delivery::Credentials{::geteuid(), ::getegid(), ""});
        auto* mbox = std::get_if<delivery::MboxJob>(&job.what);
        const bool own_spool = mbox && mbox->path == settings_.spool_directory + "/root";
        if (as.uid == 0 && !own_spool)
            return refuse(
                "nothing is delivered as root but its own mailbox in mail_spool_directory; name a user for "
                "root in the aliases");
        if (auto problem = become(as, mbox ? spool_group(mbox->path) : std::nullopt); !problem.empty())
            return refuse(problem);
        ::umask(077);
        platform::PosixFileSystem files;
        platform::SystemClock clock;
        if (mbox) {
            const auto writer = delivery::make_mbox_writer(files, std::move(*mbox), clock.wall());
            return write_mailbox(*writer, socket_);
        }
        if (auto* maildir = std::get_if<delivery::MaildirJob>(&job.what)) {
            delivery::UniqueName name{settings_.host_name, clock.wall(),
                                      static_cast<std::uint64_t>(::getpid()), number_};
            const auto writer = delivery::make_maildir_writer(files, std::move(*maildir), std::move(name));
            return write_mailbox(*writer, socket_);
        }
        return run_command(std::get<delivery::CommandJob>(job.what), [this] { return next_frame(socket_); });
    }

    AgentResult refuse(std::string why) {
        // Read to the end, so that the answer is not lost behind unread content.
        for (auto piece = next_frame(socket_); piece && !piece->empty(); piece = next_frame(socket_)) {
        }
        return {{4, 3, 5}, std::move(why)};
    }

    const HelperSettings& settings_;
    int socket_;
    std::uint64_t number_;
};

[[noreturn]] void run_child(const HelperSettings& settings, int socket, std::string_view text,
                            std::uint64_t number) {
    ::signal(SIGCHLD, SIG_DFL);
    ::fcntl(socket, F_SETFL, ::fcntl(socket, F_GETFL) & ~O_NONBLOCK);
    HelperResult result{{{4, 3, 5}, "the delivery helper did not understand the job"}, std::nullopt};
    if (auto job = decode_job(text)) result = Job(settings, socket, number).run(std::move(*job));
    platform::write_all(socket, encode(result));
    ::_exit(0);
}

[[noreturn]] void serve(const HelperSettings& settings, int channel) {
    ::prctl(PR_SET_NAME, "postrider-deliv");
    ::signal(SIGCHLD, SIG_IGN);  // children are reaped by the kernel
    ::signal(SIGPIPE, SIG_IGN);
    ::signal(SIGINT, SIG_IGN);  // Ctrl-C ends the server, whose end ends the helper
    ::signal(SIGHUP, SIG_IGN);
    static_cast<void>(::chdir("/") + 0);
    std::string buffer(helper_job_octets_max, '\0');
    for (std::uint64_t number = 1;; ++number) {
        iovec piece{buffer.data(), buffer.size()};
        alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
        msghdr message{};
        message.msg_iov = &piece;
        message.msg_iovlen = 1;
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        const auto got = ::recvmsg(channel, &message, MSG_CMSG_CLOEXEC);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) ::_exit(0);  // the server is gone
        const cmsghdr* header = CMSG_FIRSTHDR(&message);
        if (!header || header->cmsg_type != SCM_RIGHTS) continue;
        int socket = -1;
        std::memcpy(&socket, CMSG_DATA(header), sizeof socket);
        const pid_t child = ::fork();
        if (child == 0) {
            ::close(channel);
            run_child(settings, socket, std::string_view(buffer).substr(0, static_cast<std::size_t>(got)),
                      number);
        }
        ::close(socket);  // when fork() failed the server sees the end, and tries again later
    }
}

}  // namespace

std::expected<HelperChannel, std::string> start_delivery_helper(const HelperSettings& settings) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return std::unexpected(fmt::format("cannot start the delivery helper: {}", std::strerror(errno)));
    const pid_t child = ::fork();
    if (child < 0)
        return std::unexpected(fmt::format("cannot start the delivery helper: {}", std::strerror(errno)));
    if (child == 0) {
        ::close(ends[0]);
        sigset_t none;
        sigemptyset(&none);
        ::sigprocmask(SIG_SETMASK, &none, nullptr);
        serve(settings, ends[1]);
    }
    ::close(ends[1]);
    ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
    return HelperChannel{ends[0], ::geteuid() == 0};
}

}  // namespace app
