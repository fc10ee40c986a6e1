// Task<T>: a lazily started coroutine with one owner. It starts when it is awaited (or handed to Loop::spawn)
// and resumes its awaiter by symmetric transfer, so long chains do not grow the stack.
//
// Rules (docs/style in CONTRIBUTING.md): coroutines are free or member functions, never capturing lambdas;
// parameters that must outlive a suspension are taken by value; name a value before awaiting with it:
// gcc 12.2 destroys the wrong object when an aggregate temporary or a lambda stands inside the co_await
// expression.
#pragma once

#include "base/check.hpp"

#include <coroutine>
#include <exception>
#include <optional>
#include <utility>
#include <variant>

namespace env {

template <class T = void>
class [[nodiscard]] Task;

namespace detail {

struct FinalAwaiter {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> done) const noexcept {
        return done.promise().continuation;
    }
    void await_resume() const noexcept {}
};

struct PromiseBase {
    std::coroutine_handle<> continuation = std::noop_coroutine();
    std::suspend_always initial_suspend() const noexcept { return {}; }
    FinalAwaiter final_suspend() const noexcept { return {}; }
};

template <class T>
struct Promise : PromiseBase {
    std::variant<std::monostate, T, std::exception_ptr> result;
    Task<T> get_return_object() noexcept;
    template <class U>
    void return_value(U&& value) {
        result.template emplace<1>(std::forward<U>(value));
    }
    void unhandled_exception() noexcept { result.template emplace<2>(std::current_exception()); }
    T take() {
        if (result.index() == 2) std::rethrow_exception(std::get<2>(result));
        return std::move(std::get<1>(result));
    }
};

template <>
struct Promise<void> : PromiseBase {
    std::exception_ptr error;
    Task<void> get_return_object() noexcept;
    void return_void() const noexcept {}
    void unhandled_exception() noexcept { error = std::current_exception(); }
    void take() const {
        if (error) std::rethrow_exception(error);
    }
};

}  // namespace detail

/// One asynchronous result. Move-only; destroying a Task that is suspended destroys its frame.
template <class T>
class [[nodiscard]] Task {
 public:
    using promise_type = detail::Promise<T>;
    using Handle = std::coroutine_handle<promise_type>;

    Task() = default;
    explicit Task(Handle handle) noexcept : handle_(handle) {}
    Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
    Task& operator=(Task&& other) noexcept {
        if (this != &other) {
            if (handle_) handle_.destroy();
            handle_ = std::exchange(other.handle_, {});
        }
        return *this;
    }
    ~Task() {
        if (handle_) handle_.destroy();
    }

    struct Awaiter {
        Handle handle;
        bool await_ready() const noexcept { return false; }
        std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) const noexcept {
            handle.promise().continuation = awaiting;
            return handle;
        }
        T await_resume() const { return handle.promise().take(); }
    };
    Awaiter operator co_await() const& noexcept { return Awaiter{handle_}; }
    Awaiter operator co_await() const&& noexcept { return Awaiter{handle_}; }

    explicit operator bool() const noexcept { return static_cast<bool>(handle_); }
    /// For loops and tests that start a task themselves: the bare handle, which the Task goes on owning.
    Handle handle() const noexcept { return handle_; }

 private:
    Handle handle_;
};

namespace detail {

template <class T>
Task<T> Promise<T>::get_return_object() noexcept {
    return Task<T>{std::coroutine_handle<Promise>::from_promise(*this)};
}

inline Task<void> Promise<void>::get_return_object() noexcept {
    return Task<void>{std::coroutine_handle<Promise>::from_promise(*this)};
}

}  // namespace detail

/// Runs a task that never suspends (pure code over in-memory interfaces, as in unit tests) and returns its
/// result. CHECK-fails when the task is not done after its first run.
template <class T>
T run_now(Task<T> task) {
    auto handle = task.handle();
    handle.resume();
    CHECK(handle.done());
    return handle.promise().take();
}

}  // namespace env
