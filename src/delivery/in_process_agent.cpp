#include "delivery/in_process_agent.hpp"

#include <fmt/format.h>
#include <utility>

namespace delivery {
namespace {

constexpr std::size_t gather_octets = 512 * 1024;  // one trip to a worker for most messages

/// One trip to a worker: what was gathered, perhaps with the beginning and the end.
struct Trip {
    MailboxWriter* writer;
    std::string bytes;
    bool first;
    bool last;
    AgentResult operator()() const {
        AgentResult result{{2, 0, 0}, ""};
        if (first) result = writer->begin();
        if (result.status.is_success()) result = writer->write(bytes);
        if (result.status.is_success() && last) result = writer->finish();
        if (!result.status.is_success()) writer->abandon();
        return result;
    }
};

}  // namespace

env::Task<AgentResult> InProcessAgent::run(AgentJob job, queue::ContentReader& content) {
    if (job.as && job.as->uid != own_uid_) {
        co_return AgentResult{
            {4, 3, 5},
            fmt::format(
                "cannot deliver as user id {}: the server runs as user id {} and was not started as root",
                job.as->uid, own_uid_)};
    }
    std::unique_ptr<MailboxWriter> writer;
    if (auto* maildir = std::get_if<MaildirJob>(&job.what)) {
        UniqueName name{host_, loop_.clock().wall(), process_, ++counter_};
        writer = make_maildir_writer(files_, std::move(*maildir), std::move(name));
    } else if (auto* mbox = std::get_if<MboxJob>(&job.what)) {
        writer = make_mbox_writer(files_, std::move(*mbox), loop_.clock().wall());
    } else {
        co_return AgentResult{{4, 3, 5}, "commands are run only by a server that was started as root"};
    }
    bool first = true;
    for (;;) {
        Trip trip{writer.get(), {}, first, false};
        while (trip.bytes.size() < gather_octets && !trip.last) {
            auto piece = co_await content.next();
            if (!piece) {
                if (!first) writer->abandon();
                co_return AgentResult{{4, 3, 0}, piece.error()};
            }
            trip.last = piece->empty();
            trip.bytes += *piece;
        }
        const bool last = trip.last;
        AgentResult result = co_await workers_.run(std::move(trip));
        if (last || !result.status.is_success()) co_return result;
        first = false;
    }
}

std::expected<std::optional<std::string>, std::string> read_list_file(env::FileSystem& files,
                                                                      const std::string& path,
                                                                      std::uint32_t uid) {
    const auto stat = files.stat(path);
    if (!stat && (stat.error() == env::FileError::NotFound || stat.error() == env::FileError::NotDirectory))
        return std::nullopt;
    if (!stat) return std::unexpected(fmt::format("{}: {}", path, env::to_text(stat.error())));
    constexpr std::uint32_t writable_by_others = 0022;
    const bool safe = stat->kind == env::FileStat::Kind::File && (stat->owner == uid || stat->owner == 0) &&
                      (stat->mode & writable_by_others) == 0;
    if (!safe)
        return std::unexpected(
            fmt::format("{} must be a file that only its owner (the user, or root) may write", path));
    auto text = files.read(path, list_file_octets_max);
    if (!text) return std::unexpected(fmt::format("{}: {}", path, env::to_text(text.error())));
    return std::move(*text);
}

namespace {

struct ReadTrip {
    env::FileSystem* files;
    std::string path;
    std::uint32_t uid;
    std::expected<std::optional<std::string>, std::string> operator()() const {
        return read_list_file(*files, path, uid);
    }
};

}  // namespace

env::Task<std::expected<std::optional<std::string>, std::string>> InProcessAgent::read_file(
    Credentials as, std::string path) {
    if (as.uid != own_uid_)
        co_return std::unexpected(fmt::format("{} belongs to another user than the server's", path));
    ReadTrip trip{&files_, std::move(path), as.uid};
    auto out = co_await workers_.run(std::move(trip));
    co_return out;
}

}  // namespace delivery
