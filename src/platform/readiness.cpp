#include "platform/readiness.hpp"

#include "base/check.hpp"

#include <boost/asio/post.hpp>
#include <unistd.h>
#include <utility>

namespace platform {

void Watched::drained(Direction direction) {
    if (direction == Direction::Write)
        writable_ = false;
    else if (!ended_)
        readable_ = false;
}

ReadyWait Watched::wait(Direction direction, env::SteadyTime deadline) {
    return ReadyWait(*this, direction, deadline);
}

void Watched::wake(Direction direction) {
    if (auto* wait = waiting(direction); wait && ready(direction)) {
        wait->leave();
        wait->handle_.resume();  // *this may be gone now
    }
}

void Watched::close() {
    if (!is_open()) return;
    if (interest_ != 0) state_.readiness->remove(*this);
    ::close(std::exchange(descriptor_, -1));
    for (const auto direction : {Direction::Read, Direction::Write}) {
        auto* wait = waiting(direction);
        if (!wait) continue;
        wait->leave();
        wait->watched_ = nullptr;
        wait->failed_ = env::IoError::Closed;
        // Not from within the caller: it may be in the middle of anything.
        boost::asio::post(state_.io, [handle = wait->handle_] { handle.resume(); });
    }
}

ReadyWait::ReadyWait(Watched& watched, Direction direction, env::SteadyTime until)
    : state_(watched.state_), watched_(&watched), direction_(direction), until_(until) {
    if (!watched.is_open())
        failed_ = env::IoError::Closed;
    else if (watched.waiting(direction))
        failed_ = env::IoError::Other;
}

ReadyWait::~ReadyWait() { leave(); }

/// Out of both lists: nobody wakes it any more.
void ReadyWait::leave() {
    state_.wheel.remove(*this);
    if (watched_ && watched_->waiting(direction_) == this) watched_->waiting(direction_) = nullptr;
}

bool ReadyWait::await_suspend(std::coroutine_handle<> handle) {
    if (auto entered = state_.readiness->enter(*watched_, direction_); !entered) {
        failed_ = entered.error();
        return false;
    }
    handle_ = handle;
    watched_->waiting(direction_) = this;
    state_.add_deadline(*this, until_);
    return true;
}

std::expected<void, env::IoError> ReadyWait::await_resume() const {
    if (failed_) return std::unexpected(*failed_);
    return {};
}

void ReadyWait::expired() {
    leave();
    failed_ = env::IoError::TimedOut;
    handle_.resume();
}

Readiness::Readiness(boost::asio::io_context& io) : set_(io) {
    const int descriptor = ::epoll_create1(EPOLL_CLOEXEC);
    CHECK(descriptor >= 0);
    set_.assign(descriptor);
}

void Readiness::listen() {
    listening_ = true;
    set_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                    [this](boost::system::error_code error) {
                        if (!error) process();
                    });
}

void Readiness::process() {
    const int got = ::epoll_wait(set_.native_handle(), events_.data(), static_cast<int>(events_.size()), 0);
    count_ = got > 0 ? static_cast<std::size_t>(got) : 0;
    for (at_ = 0; at_ < count_; ++at_) {
        const auto& event = events_[at_];
        const auto watched = [&event] { return static_cast<Watched*>(event.data.ptr); };
        if (!watched()) continue;  // removed by one before it
        const bool ended = (event.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
        watched()->ended_ |= ended;
        watched()->readable_ |= ended || (event.events & EPOLLIN) != 0;
        watched()->writable_ |= ended || (event.events & EPOLLOUT) != 0;
        watched()->wake(Direction::Read);
        if (watched()) watched()->wake(Direction::Write);
    }
    at_ = count_ = 0;
    listen();
}

std::expected<void, env::IoError> Readiness::enter(Watched& watched, Direction direction) {
    const std::uint32_t wanted =
        watched.interest_ | EPOLLET | EPOLLRDHUP | (direction == Direction::Read ? EPOLLIN : EPOLLOUT);
    if (!listening_) listen();
    if (wanted == watched.interest_) return {};
    epoll_event event{};
    event.events = wanted;
    event.data.ptr = &watched;
    const int how = watched.interest_ == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    if (::epoll_ctl(set_.native_handle(), how, watched.descriptor_, &event) != 0)
        return std::unexpected(env::IoError::Other);
    watched.interest_ = wanted;
    return {};
}

void Readiness::remove(Watched& watched) {
    ::epoll_ctl(set_.native_handle(), EPOLL_CTL_DEL, watched.descriptor_, nullptr);
    for (std::size_t i = at_; i < count_; ++i)
        if (events_[i].data.ptr == &watched) events_[i].data.ptr = nullptr;
}

}  // namespace platform
