// The guard against guessing passwords: failures are counted per client address and per account. Replies to
// failures come later and later; after too many, attempts are not looked at for a while. Shared by all loops
// (a mutex) and kept over reloads; memory is bounded.
#pragma once

#include "accounts/recent.hpp"
#include "base/parameter.hpp"
#include "env/clock.hpp"
#include "env/network.hpp"

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

namespace accounts {

struct ThrottleOptions {
    std::uint32_t failures_of_address = 20, failures_of_account = 50;
    std::chrono::seconds ban{600}, delay_max{8};
    static constexpr void describe(auto& parameter) {
        using namespace std::chrono_literals;
        using O = ThrottleOptions;
        using base::Between;
        parameter("smtpd_auth_failure_limit", &O::failures_of_address, Between{1, 1000000},
                  "After so many failed logins an address may not try for smtpd_auth_ban_time.");
        parameter("smtpd_auth_account_failure_limit", &O::failures_of_account, Between{1, 1000000},
                  "After so many failed logins nobody may try an account for smtpd_auth_ban_time, but from "
                  "addresses "
                  "that have succeeded before.");
        parameter("smtpd_auth_ban_time", &O::ban, Between{1s, 86400s}, base::Default{"600s"},
                  "How long, and how long failures are remembered.");
        parameter("smtpd_auth_failure_delay_max", &O::delay_max, Between{0s, 60s}, base::Default{"8s"},
                  "The longest wait before a failed login is answered; it doubles with each.");
    }
};

class Throttle {
 public:
    /// May this address try this account now? IPv6 clients count by their /64, accounts without regard to
    /// case; "": not known whose (a token that names nobody), only the address counts.
    bool may_try(const env::IpAddress& address, const std::string& user, const ThrottleOptions& options,
                 env::SteadyTime now);
    /// How long to wait before the refusal is said.
    env::Duration failed(const env::IpAddress& address, const std::string& user,
                         const ThrottleOptions& options, env::SteadyTime now);
    void succeeded(const env::IpAddress& address, const std::string& user, env::SteadyTime now);
    std::size_t records() const;  // for tests: memory is bounded

    static constexpr std::size_t records_max = 50'000;  // of each kind

 private:
    struct Failures {
        std::uint32_t count = 0;
        env::SteadyTime last{};
    };
    struct Success {
        env::SteadyTime last{};
    };
    mutable std::mutex mutex_;
    // Apart, so that a flood of made-up names does not push out what is known of addresses.
    Recent<Failures> addresses_{records_max}, accounts_{records_max};
    Recent<Success> good_{records_max};  // of an address and account together: it has succeeded
};

}  // namespace accounts
