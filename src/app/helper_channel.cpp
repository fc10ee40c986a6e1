#include "app/helper_channel.hpp"

#include <cerrno>
#include <cstring>
#include <sys/socket.h>
#include <unistd.h>

namespace app {

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

env::Task<std::unique_ptr<env::Stream>> hand_over(env::Loop& loop, platform::AsioNetwork& network,
                                                  int channel, std::string job) {
    constexpr auto busy_wait = std::chrono::milliseconds(5);
    if (job.size() > helper_job_octets_max) co_return nullptr;
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) co_return nullptr;
    const auto give_up = loop.clock().steady() + helper_step_timeout;
    int problem = send_job(channel, job, ends[1]);
    while (problem == EAGAIN && loop.clock().steady() < give_up) {
        co_await loop.sleep(busy_wait);
        problem = send_job(channel, job, ends[1]);
    }
    ::close(ends[1]);
    if (problem != 0) {
        ::close(ends[0]);
        co_return nullptr;
    }
    co_return network.adopt_unix_stream(ends[0]);
}

env::Task<std::string> helper_answer(env::Stream& stream, env::SteadyTime deadline) {
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

}  // namespace app
