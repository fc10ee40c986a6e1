// Private to platform/: which sockets of a loop can be read or written. One edge-triggered epoll set for each
// loop (epoll(7)), itself one descriptor of the loop's io_context: a socket is entered once, and a wait costs
// no system call of its own. Everything here belongs to its loop's thread.
#pragma once

#include "env/network.hpp"
#include "platform/asio_state.hpp"

#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <coroutine>
#include <cstdint>
#include <expected>
#include <optional>
#include <sys/epoll.h>

namespace platform {

class ReadyWait;

enum class Direction { Read, Write };

/// A socket and what is known of its state; owns the descriptor. A reader takes octets until recv() says it
/// would block, or gets fewer than it asked for, and says so by drained(); then a wait is due.
class Watched {
 public:
    Watched(AsioLoop::State& state, int descriptor) : state_(state), descriptor_(descriptor) {}
    ~Watched() { close(); }
    Watched(const Watched&) = delete;
    Watched& operator=(const Watched&) = delete;

    bool is_open() const { return descriptor_ >= 0; }
    int descriptor() const { return descriptor_; }
    AsioLoop::State& state() { return state_; }
    /// Nothing is known against an attempt.
    bool ready(Direction direction) const { return direction == Direction::Read ? readable_ : writable_; }
    void drained(Direction direction);
    /// Suspends until the socket is ready, the deadline passed (TimedOut) or it was closed (Closed). One wait
    /// for each direction at a time; a second one gets Other.
    ReadyWait wait(Direction direction, env::SteadyTime deadline);
    /// Those who wait get Closed, later.
    void close();

 private:
    friend class Readiness;
    friend class ReadyWait;
    ReadyWait*& waiting(Direction direction) { return direction == Direction::Read ? reader_ : writer_; }
    void wake(Direction direction);

    AsioLoop::State& state_;
    int descriptor_;
    std::uint32_t interest_ = 0;  // what the epoll set looks for; 0: not entered yet
    bool readable_ = false;
    bool writable_ = true;
    bool ended_ = false;  // the peer's end was seen: it stays readable
    ReadyWait* reader_ = nullptr;
    ReadyWait* writer_ = nullptr;
};

class ReadyWait final : DeadlineNode {
 public:
    ReadyWait(Watched& watched, Direction direction, env::SteadyTime until);
    ~ReadyWait();
    ReadyWait(const ReadyWait&) = delete;
    ReadyWait& operator=(const ReadyWait&) = delete;
    bool await_ready() const noexcept { return failed_ || watched_->ready(direction_); }
    bool await_suspend(std::coroutine_handle<> handle);
    std::expected<void, env::IoError> await_resume() const;

 private:
    friend class Watched;
    void expired() override;
    void leave();

    AsioLoop::State& state_;
    Watched* watched_;  // nullptr: closed meanwhile
    Direction direction_;
    env::SteadyTime until_;
    std::coroutine_handle<> handle_;
    std::optional<env::IoError> failed_;
};

class Readiness {
 public:
    explicit Readiness(boost::asio::io_context& io);
    /// Looks for `direction` from now on. The error: the system refused.
    std::expected<void, env::IoError> enter(Watched& watched, Direction direction);
    void remove(Watched& watched);

 private:
    static constexpr std::size_t events_max = 128;  // taken at one go
    void listen();
    void process();

    boost::asio::posix::stream_descriptor set_;
    bool listening_ = false;
    std::array<epoll_event, events_max> events_;
    std::size_t at_ = 0, count_ = 0;  // events_ being handed out
};

}  // namespace platform
