#include "platform/asio_network.hpp"

#include "platform/readiness.hpp"

#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace platform {
namespace {

env::IoError io_error(int error) {
    switch (error) {
        case ECONNRESET:
        case EPIPE:
            return env::IoError::Reset;
        case ECONNREFUSED:
        case ENOENT:
            return env::IoError::Refused;
        case ETIMEDOUT:
            return env::IoError::TimedOut;
        case ENETUNREACH:
        case EHOSTUNREACH:
            return env::IoError::Unreachable;
        case EACCES:
        case EPERM:
            return env::IoError::PermissionDenied;
        case EADDRNOTAVAIL:
            return env::IoError::AddressNotAvailable;
        case EADDRINUSE:
            return env::IoError::AddressInUse;
        case EBADF:
            return env::IoError::Closed;
        default:
            return env::IoError::Other;
    }
}

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size = 0;
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
    sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

SocketAddress to_socket_address(const env::Endpoint& endpoint) {
    SocketAddress out;
    if (endpoint.is_unix()) {
        auto* to = reinterpret_cast<sockaddr_un*>(&out.storage);
        to->sun_family = AF_UNIX;
        endpoint.unix_path.copy(to->sun_path, sizeof to->sun_path - 1);
        out.size = sizeof(sockaddr_un);
    } else if (endpoint.address.is_v4()) {
        auto* to = reinterpret_cast<sockaddr_in*>(&out.storage);
        to->sin_family = AF_INET;
        to->sin_port = htons(endpoint.port);
        std::memcpy(&to->sin_addr, endpoint.address.bytes().data(), 4);
        out.size = sizeof(sockaddr_in);
    } else {
        auto* to = reinterpret_cast<sockaddr_in6*>(&out.storage);
        to->sin6_family = AF_INET6;
        to->sin6_port = htons(endpoint.port);
        std::memcpy(&to->sin6_addr, endpoint.address.bytes().data(), 16);
        out.size = sizeof(sockaddr_in6);
    }
    return out;
}

env::Endpoint to_endpoint(const SocketAddress& address) {
    env::Endpoint out;
    if (address.storage.ss_family == AF_INET) {
        const auto* from = reinterpret_cast<const sockaddr_in*>(&address.storage);
        out.address = env::IpAddress::from_bytes({reinterpret_cast<const std::uint8_t*>(&from->sin_addr), 4});
        out.port = ntohs(from->sin_port);
    } else if (address.storage.ss_family == AF_INET6) {
        const auto* from = reinterpret_cast<const sockaddr_in6*>(&address.storage);
        out.address =
            env::IpAddress::from_bytes({reinterpret_cast<const std::uint8_t*>(&from->sin6_addr), 16});
        out.port = ntohs(from->sin6_port);
    } else {
        out.unix_path = reinterpret_cast<const sockaddr_un*>(&address.storage)->sun_path;
        if (out.unix_path.empty()) out.unix_path = "(unnamed)";
    }
    return out;
}

/// Replies are short and complete: no waiting for more (TCP_NODELAY).
void send_at_once(int descriptor) {
    const int on = 1;
    ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

template <auto ask>
env::Endpoint endpoint_of(int descriptor) {
    SocketAddress address;
    address.size = sizeof address.storage;
    if (ask(descriptor, address.get(), &address.size) != 0) return {};
    return to_endpoint(address);
}

enum class SocketKind { Tcp, Unix };

class AsioStream : public env::Stream {
 public:
    AsioStream(AsioLoop& loop, int descriptor, SocketKind kind)
        : socket_(loop.state(), descriptor), kind_(kind) {}

    env::Task<std::expected<std::size_t, env::IoError>> read_some(std::span<char> into,
                                                                  env::SteadyTime deadline) override {
        for (;;) {
            if (!socket_.is_open()) co_return std::unexpected(env::IoError::Closed);
            const ssize_t got = ::recv(socket_.descriptor(), into.data(), into.size(), MSG_DONTWAIT);
            if (got >= 0) {
                // Fewer than asked for: a TCP socket has no more for now (epoll(7), question 9).
                if (kind_ == SocketKind::Tcp && static_cast<std::size_t>(got) < into.size())
                    socket_.drained(Direction::Read);
                co_return static_cast<std::size_t>(got);
            }
            if (errno == EINTR) continue;
            if (errno != EAGAIN) co_return std::unexpected(io_error(errno));
            socket_.drained(Direction::Read);
            ReadyWait wait = socket_.wait(Direction::Read, deadline);
            auto ready = co_await wait;
            if (!ready) co_return std::unexpected(ready.error());
        }
    }

    env::Task<std::expected<void, env::IoError>> write(std::string_view bytes,
                                                       env::SteadyTime deadline) override {
        while (!bytes.empty()) {
            if (!socket_.is_open()) co_return std::unexpected(env::IoError::Closed);
            const ssize_t sent =
                ::send(socket_.descriptor(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
            if (sent >= 0) {
                bytes.remove_prefix(static_cast<std::size_t>(sent));
                continue;
            }
            if (errno == EINTR) continue;
            if (errno != EAGAIN) co_return std::unexpected(io_error(errno));
            auto ready = co_await writable(deadline);
            if (!ready) co_return std::unexpected(ready.error());
        }
        co_return std::expected<void, env::IoError>{};
    }

    /// After an attempt that would have blocked, or a connect() under way.
    env::Task<std::expected<void, env::IoError>> writable(env::SteadyTime deadline) {
        socket_.drained(Direction::Write);
        ReadyWait wait = socket_.wait(Direction::Write, deadline);
        auto ready = co_await wait;
        co_return ready;
    }

    env::Task<std::expected<void, env::IoError>> wait_readable(env::SteadyTime deadline) override {
        ReadyWait wait = socket_.wait(Direction::Read, deadline);
        auto ready = co_await wait;
        co_return ready;
    }

    env::Task<void> shutdown(env::SteadyTime) override {
        if (socket_.is_open()) ::shutdown(socket_.descriptor(), SHUT_WR);
        co_return;
    }

    void close() override { socket_.close(); }
    int descriptor() const { return socket_.descriptor(); }
    env::Endpoint local() const override { return endpoint_of<::getsockname>(socket_.descriptor()); }
    env::Endpoint peer() const override { return endpoint_of<::getpeername>(socket_.descriptor()); }

 private:
    Watched socket_;
    SocketKind kind_;
};

class AsioListener : public env::Listener {
 public:
    AsioListener(AsioLoop& loop, int descriptor)
        : loop_(loop),
          socket_(loop.state(), descriptor),
          kind_(endpoint_of<::getsockname>(descriptor).is_unix() ? SocketKind::Unix : SocketKind::Tcp) {}

    env::Task<std::expected<std::unique_ptr<env::Stream>, env::IoError>> accept() override {
        constexpr auto look_again = std::chrono::hours(1);
        for (;;) {
            if (!socket_.is_open()) co_return std::unexpected(env::IoError::Closed);
            const int got = ::accept4(socket_.descriptor(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (got >= 0) {
                if (kind_ == SocketKind::Tcp) send_at_once(got);
                std::unique_ptr<env::Stream> stream = std::make_unique<AsioStream>(loop_, got, kind_);
                co_return stream;
            }
            if (errno == EINTR || errno == ECONNABORTED) continue;
            if (errno != EAGAIN) co_return std::unexpected(io_error(errno));
            socket_.drained(Direction::Read);
            ReadyWait wait = socket_.wait(Direction::Read, loop_.clock().steady() + look_again);
            auto ready = co_await wait;
            if (!ready && ready.error() != env::IoError::TimedOut) co_return std::unexpected(ready.error());
        }
    }

    void close() override { socket_.close(); }
    env::Endpoint local() const override { return endpoint_of<::getsockname>(socket_.descriptor()); }

 private:
    AsioLoop& loop_;
    Watched socket_;
    SocketKind kind_;
};

/// Closes the descriptor unless released.
struct OpenSocket {
    int descriptor;
    ~OpenSocket() {
        if (descriptor >= 0) ::close(descriptor);
    }
    int release() { return std::exchange(descriptor, -1); }
};

int family_of(const env::Endpoint& endpoint) {
    return endpoint.is_unix() ? AF_UNIX : endpoint.address.is_v4() ? AF_INET : AF_INET6;
}

}  // namespace

std::expected<int, env::IoError> open_listener(const env::Endpoint& at, unsigned unix_mode) {
    constexpr int backlog = 1024;
    if (at.is_unix() && at.unix_path.size() >= sizeof(sockaddr_un::sun_path))
        return std::unexpected(env::IoError::Other);
    OpenSocket socket{::socket(family_of(at), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    if (socket.descriptor < 0) return std::unexpected(io_error(errno));
    const int on = 1;
    if (at.is_unix()) {
        ::unlink(at.unix_path.c_str());
    } else {
        ::setsockopt(socket.descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        ::setsockopt(socket.descriptor, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
        if (!at.address.is_v4()) ::setsockopt(socket.descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    }
    const auto address = to_socket_address(at);
    const mode_t mask = ::umask(0177);  // no moment at which others could connect
    const int bound = ::bind(socket.descriptor, address.get(), address.size);
    const int error = errno;
    ::umask(mask);
    if (bound != 0) return std::unexpected(io_error(error));
    if (at.is_unix()) ::chmod(at.unix_path.c_str(), unix_mode);
    if (::listen(socket.descriptor, backlog) != 0) return std::unexpected(io_error(errno));
    return socket.release();
}

std::expected<std::unique_ptr<env::Listener>, env::IoError> AsioNetwork::listen(const env::Endpoint& at) {
    auto descriptor = open_listener(at);
    if (!descriptor) return std::unexpected(descriptor.error());
    return adopt_listener(*descriptor);
}

std::unique_ptr<env::Listener> AsioNetwork::adopt_listener(int descriptor) {
    return std::make_unique<AsioListener>(loop_, descriptor);
}

std::unique_ptr<env::Stream> AsioNetwork::adopt_unix_stream(int descriptor) {
    return std::make_unique<AsioStream>(loop_, descriptor, SocketKind::Unix);
}

env::Task<std::expected<std::unique_ptr<env::Stream>, env::IoError>> AsioNetwork::connect(
    env::Endpoint to, env::ConnectOptions options, env::SteadyTime deadline) {
    if (to.is_unix() && to.unix_path.size() >= sizeof(sockaddr_un::sun_path))
        co_return std::unexpected(env::IoError::Other);
    OpenSocket socket{::socket(family_of(to), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    if (socket.descriptor < 0) co_return std::unexpected(io_error(errno));
    if (options.bind_address && !to.is_unix() && options.bind_address->is_v4() == to.address.is_v4()) {
        env::Endpoint from;
        from.address = *options.bind_address;
        const auto source = to_socket_address(from);
        if (::bind(socket.descriptor, source.get(), source.size) != 0)
            co_return std::unexpected(io_error(errno));
    }
    const auto address = to_socket_address(to);
    const int started = ::connect(socket.descriptor, address.get(), address.size);
    if (started != 0 && errno != EINPROGRESS) co_return std::unexpected(io_error(errno));
    if (!to.is_unix()) send_at_once(socket.descriptor);
    auto stream = std::make_unique<AsioStream>(loop_, socket.release(),
                                               to.is_unix() ? SocketKind::Unix : SocketKind::Tcp);
    if (started != 0) {
        auto ready = co_await stream->writable(deadline);
        if (!ready) co_return std::unexpected(ready.error());
        int error = 0;
        socklen_t size = sizeof error;
        ::getsockopt(stream->descriptor(), SOL_SOCKET, SO_ERROR, &error, &size);
        if (error != 0) co_return std::unexpected(io_error(error));
    }
    co_return stream;
}

}  // namespace platform
