#include "app/helper_agent.hpp"

#include "app/helper_channel.hpp"

#include <cerrno>
#include <sys/socket.h>
#include <unistd.h>

namespace app {
namespace {

delivery::AgentResult broken() { return {{4, 3, 0}, "the delivery helper does not answer"}; }

}  // namespace

HelperAgent::~HelperAgent() { ::close(channel_.descriptor); }

env::Task<delivery::AgentResult> HelperAgent::run(delivery::AgentJob job, queue::ContentReader& content) {
    const auto* command = std::get_if<delivery::CommandJob>(&job.what);
    const bool ours = !command && (!job.as || job.as->uid == own_uid_);
    if (ours) {
        delivery::AgentResult done = co_await own_.run(std::move(job), content);
        co_return done;
    }
    const auto patience = command ? std::chrono::seconds(command->time_limit_seconds) + helper_step_timeout
                                  : std::chrono::seconds(helper_step_timeout);
    std::string text_of_job = encode(HelperJob(std::move(job)));
    auto stream = co_await hand_over(loop_, network_, channel_.descriptor, std::move(text_of_job));
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
    const std::string text = co_await helper_answer(*stream, loop_.clock().steady() + patience);
    auto result = decode_result(text);
    co_return result ? std::move(result->result) : broken();
}

env::Task<std::expected<std::optional<std::string>, std::string>> HelperAgent::read_file(
    delivery::Credentials as, std::string path) {
    ReadJob job{std::move(as), std::move(path)};
    std::string text_of_job = encode(HelperJob(std::move(job)));
    auto stream = co_await hand_over(loop_, network_, channel_.descriptor, std::move(text_of_job));
    if (!stream) co_return std::unexpected(broken().text);
    const std::string text = co_await helper_answer(*stream, loop_.clock().steady() + helper_step_timeout);
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
