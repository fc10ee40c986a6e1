// Time. `steady` drives deadlines, timers and retries; `wall` is only written down (headers, logs, records).
// Who: everything that waits or stamps. One object for the whole process; thread-safe.
#pragma once

#include <chrono>
#include <cstdint>

namespace env {

using Duration = std::chrono::nanoseconds;
using SteadyTime = std::chrono::time_point<std::chrono::steady_clock, Duration>;
using WallTime = std::chrono::time_point<std::chrono::system_clock, Duration>;

/// Whole seconds since 1970-01-01 UTC, as signatures, queue listings and made-up names carry it.
inline std::uint64_t unix_time(WallTime at) {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::seconds>(at.time_since_epoch()).count());
}

class Clock {
 public:
    virtual ~Clock() = default;
    virtual SteadyTime steady() const = 0;
    virtual WallTime wall() const = 0;
    /// Minutes east of UTC that dates are written with.
    virtual std::chrono::minutes zone_offset(WallTime at) const = 0;
};

}  // namespace env
