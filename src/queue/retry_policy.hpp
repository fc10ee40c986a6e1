// When a deferred message is tried again, and when it is given up. Pure. Postfix's parameters and rule: the
// wait is the message's age, not less than minimal_backoff_time and not more than maximal_backoff_time.
#pragma once

#include "base/parameter.hpp"
#include "env/clock.hpp"

#include <chrono>

namespace queue {

struct RetryOptions {
    std::chrono::seconds minimal_backoff{300};
    std::chrono::seconds maximal_backoff{4000};
    std::chrono::seconds queue_run_delay{300};
    std::chrono::seconds maximal_queue_lifetime{5 * 86400};
    std::chrono::seconds bounce_queue_lifetime{5 * 86400};
    std::chrono::seconds delay_warning_time{0};
    static constexpr void describe(auto& parameter) {
        using namespace std::chrono_literals;
        parameter("minimal_backoff_time", &RetryOptions::minimal_backoff, base::Between{1s, 86400s},
                  "The shortest wait between attempts to deliver a deferred message.");
        parameter("maximal_backoff_time", &RetryOptions::maximal_backoff, base::Between{1s, 8640000s},
                  "The longest wait between attempts to deliver a deferred message.");
        parameter("queue_run_delay", &RetryOptions::queue_run_delay, base::Between{1s, 86400s},
                  "How often the deferred queue is looked through; here attempts start when they are due, at "
                  "this grain at most.");
        parameter("maximal_queue_lifetime", &RetryOptions::maximal_queue_lifetime,
                  base::Between{0s, 8640000s}, base::Default{"5d"}, base::Unit{'d'},
                  "How old a message may become before it is returned as undeliverable.");
        parameter("bounce_queue_lifetime", &RetryOptions::bounce_queue_lifetime, base::Between{0s, 8640000s},
                  base::Default{"5d"}, base::Unit{'d'},
                  "The same for notifications (messages with a null sender).");
        parameter("delay_warning_time", &RetryOptions::delay_warning_time, base::Between{0s, 8640000s},
                  base::Default{"0h"}, base::Unit{'h'},
                  "After this time the sender is told that the message is late; 0: never.");
    }
};

enum class NullSender { No, Yes };

/// How long to wait after an attempt at `now`. A greylisted message is tried again at the shortest wait: the
/// other side said so.
std::chrono::seconds next_wait(const RetryOptions& options, env::WallTime arrived, env::WallTime now,
                               bool greylisted_only);
bool is_expired(const RetryOptions& options, env::WallTime arrived, env::WallTime now, NullSender sender);

}  // namespace queue
