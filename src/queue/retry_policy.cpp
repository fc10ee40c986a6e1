#include "queue/retry_policy.hpp"

#include <algorithm>

namespace queue {

std::chrono::seconds next_wait(const RetryOptions& options, env::WallTime arrived, env::WallTime now,
                               bool greylisted_only) {
    if (greylisted_only) return options.minimal_backoff;
    const auto age = std::chrono::duration_cast<std::chrono::seconds>(now - arrived);
    return std::max(options.minimal_backoff, std::min(age, options.maximal_backoff));
}

bool is_expired(const RetryOptions& options, env::WallTime arrived, env::WallTime now, NullSender sender) {
    return now - arrived >=
           (sender == NullSender::Yes ? options.bounce_queue_lifetime : options.maximal_queue_lifetime);
}

}  // namespace queue
