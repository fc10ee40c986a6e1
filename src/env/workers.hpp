// Slow work off the loops: RSA, password hashes, file deliveries, big MIME. The task resumes on its own loop.
#pragma once

#include "env/task.hpp"

#include <functional>
#include <optional>
#include <utility>

namespace env {

/// Belongs to one loop; the threads behind it are shared.
class Workers {
 public:
    virtual ~Workers() = default;
    /// Runs `work` on a worker thread and resumes the awaiter on this loop.
    virtual Task<void> run_erased(std::move_only_function<void()> work) = 0;

    /// `work` must own what it touches; it runs on another thread.
    template <class F>
    Task<std::invoke_result_t<F>> run(F work) {
        std::optional<std::invoke_result_t<F>> result;
        std::move_only_function<void()> erased = [&result, &work] { result.emplace(work()); };
        co_await run_erased(std::move(erased));
        co_return std::move(*result);
    }
};

}  // namespace env
