// Randomness. The real one is the operating system's; the simulator's replays from its seed. Thread-safe.
#pragma once

#include <cstdint>
#include <span>

namespace env {

class Random {
 public:
    virtual ~Random() = default;
    virtual void fill(std::span<char> bytes) = 0;
    virtual std::uint64_t next() = 0;
    /// Uniform in [0, bound); bound > 0.
    std::uint64_t below(std::uint64_t bound) {
        const std::uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
        std::uint64_t value = next();
        while (value >= limit) value = next();
        return value % bound;
    }
};

}  // namespace env
