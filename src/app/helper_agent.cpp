#include "app/helper_agent.hpp"

#include "app/delivery_job.hpp"

#include <cerrno>
#include <cstring>
#include <sys/socket.h>
#include <unistd.h>

namespace app {
namespace {

constexpr auto step_timeout = std::chrono::minutes(5);  // for the helper to take a frame or to answer

delivery::AgentResult broken() { return {{4, 3, 0}, "the delivery helper does not answer"}; }

/// A packet with a descriptor in it. EAGAIN: the helper is busy.
int send_job(int channel, const std::string& job, int descriptor) {
    iovec piece{const_cast<char*>(job.data()), job.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
    return ::sendmsg(channel, &message, MSG_NOSIGNAL) < 0 ? errno : 0;
}

}  // namespace

HelperAgent::~HelperAgent() { ::close(channel_.descriptor); }

env::Task<std::unique_ptr<env::Stream>> HelperAgent::hand_over(std::string job) {
    constexpr auto busy_wait = std::chrono::milliseconds(5);
    if (job.size() > helper_job_octets_max) co_return nullptr;
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) co_return nullptr;
    const auto give_up = loop_.clock().steady() + step_timeout;
    int problem = send_job(channel_.descriptor, job, ends[1]);
    while (problem == EAGAIN && loop_.clock().steady() < give_up) {
        co_await loop_.sleep(busy_wait);
        problem = send_job(channel_.descriptor, job, ends[1]);
    }
    ::close(ends[1]);
    if (problem != 0) {
        ::close(ends[0]);
        co_return nullptr;
    }
    co_return network_.adopt_unix_stream(ends[0]);
}

env::Task<std::string> HelperAgent::answer(env::Stream& stream, env::SteadyTime deadline) {
    constexpr std::size_t answer_octets_max = 8 << 20;
    std::string out;
    std::string piece(16 * 1024, '\0');
    while (out.size() < answer_octets_max && !out.ends_with('\n')) {
        auto got = co_await stream.read_some(piece, deadline);
        if (!got || *got == 0) break;
        out.append(piece, 0, *got);
    }
    stream.close();
    co_return out;
}

env::Task<delivery::AgentResult> HelperAgent::run(delivery::AgentJob job, queue::ContentReader& content) {
    const auto* command = std::get_if<delivery::CommandJob>(&job.what);
    const bool ours = !command && (!job.as || job.as->uid == own_uid_);
    if (ours) {
        delivery::AgentResult done = co_await own_.run(std::move(job), content);
        co_return done;
    }
    const auto patience = command ? std::chrono::seconds(command->time_limit_seconds) + step_timeout
                                  : std::chrono::seconds(step_timeout);
    auto stream = co_await hand_over(encode(HelperJob(std::move(job))));
    if (!stream) co_return broken();
    for (;;) {
        auto piece = co_await content.next();
        if (!piece) {
            stream->close();  // without the end mark: nothing is delivered
            co_return delivery::AgentResult{{4, 3, 0}, piece.error()};
        }
        std::string_view left = *piece;
        const bool last = left.empty();
        do {
            const auto part = left.substr(0, helper_frame_octets_max);
            left.remove_prefix(part.size());
            const std::string frame = frame_header(part.size()) + std::string(part);
            auto sent = co_await stream->write(frame, loop_.clock().steady() + patience);
            if (!sent) co_return broken();
        } while (!left.empty());
        if (last) break;
    }
    const std::string text = co_await answer(*stream, loop_.clock().steady() + patience);
    auto result = decode_result(text);
    co_return result ? std::move(result->result) : broken();
}

env::Task<std::expected<std::optional<std::string>, std::string>> HelperAgent::read_file(
    delivery::Credentials as, std::string path) {
    ReadJob job{std::move(as), std::move(path)};
    auto stream = co_await hand_over(encode(HelperJob(std::move(job))));
    if (!stream) co_return std::unexpected(broken().text);
    const std::string text = co_await answer(*stream, loop_.clock().steady() + step_timeout);
    auto result = decode_result(text);
    if (!result) co_return std::unexpected(broken().text);
    if (!result->result.status.is_success()) co_return std::unexpected(result->result.text);
    co_return std::move(result->text);
}

std::expected<std::string, env::FileError> HelperFiles::read(const std::string& path, std::uint64_t max) {
    auto own = PosixFileSystem::read(path, max);
    if (own || own.error() != env::FileError::PermissionDenied || !channel_.privileged) return own;
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return own;
    const std::string job = encode(HelperJob(ReadJob{{0, 0, ""}, path}));
    const int problem = send_job(channel_.descriptor, job, ends[1]);
    ::close(ends[1]);
    std::string text;
    char piece[16 * 1024];
    while (problem == 0 && text.size() < 2 * delivery::list_file_octets_max) {
        const auto got = ::read(ends[0], piece, sizeof piece);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        text.append(piece, static_cast<std::size_t>(got));
    }
    ::close(ends[0]);
    auto result = decode_result(text);
    if (!result || !result->text) return own;
    if (result->text->size() > max) return std::unexpected(env::FileError::TooLarge);
    return std::move(*result->text);
}

}  // namespace app
