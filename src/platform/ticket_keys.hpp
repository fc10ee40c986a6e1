// The keys of TLS session tickets (RFC 5077, RFC 8446 §4.6.1), one set for all loops: a client that comes
// back to another loop, or after a reload, still resumes. A key makes tickets for one period and reads them
// for one more; then it is forgotten, so a stolen key opens hours of traffic, not years. Thread-safe.
#pragma once

#include "env/clock.hpp"
#include "env/random.hpp"

#include <array>
#include <mutex>
#include <optional>

namespace platform {

struct TicketKey {
    std::array<unsigned char, 16> name{};
    std::array<unsigned char, 32> cipher{}, mac{};  // AES-256, HMAC-SHA256
};

class TicketKeys {
 public:
    static constexpr auto period = std::chrono::hours(8);
    TicketKeys(env::Clock& clock, env::Random& random) : clock_(clock), random_(random) {}
    /// The key for new tickets.
    TicketKey current();
    struct Found {
        TicketKey key;
        bool old = false;  // the client should get a fresh ticket
    };
    /// nullopt: unknown or forgotten.
    std::optional<Found> find(const unsigned char* name);

 private:
    void rotate();  // with mutex_ held
    env::Clock& clock_;
    env::Random& random_;
    std::mutex mutex_;  // guards what follows
    std::optional<TicketKey> current_, previous_;
    env::SteadyTime made_{};
};

}  // namespace platform
