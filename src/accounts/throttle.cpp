#include "accounts/throttle.hpp"

#include <algorithm>

namespace accounts {
namespace {

std::string of_address(const std::string& address) { return "a" + address; }
std::string of_account(const std::string& user) { return "u" + user; }
std::string of_pair(const std::string& address, const std::string& user) {
    return "p" + address + " " + user;
}

constexpr auto good_for = std::chrono::hours(24 * 30);

}  // namespace

Throttle::Record& Throttle::record(const std::string& key, const ThrottleOptions& options,
                                   env::SteadyTime now) {
    constexpr std::size_t sweep_step = 10000;
    if (records_.size() >= next_sweep_) {
        std::erase_if(records_, [&](const auto& entry) {
            return now - entry.second.last >
                   (entry.second.good ? env::Duration(good_for) : env::Duration(options.ban));
        });
        next_sweep_ = records_.size() + sweep_step;
    }
    Record& out = records_[key];
    if (now - out.last > options.ban) out.failures = 0;
    return out;
}

bool Throttle::may_try(const std::string& address, const std::string& user, const ThrottleOptions& options,
                       env::SteadyTime now) {
    const std::lock_guard lock(mutex_);
    const auto count = [&](const std::string& key) {
        const auto found = records_.find(key);
        return found == records_.end() || now - found->second.last > options.ban ? 0U
                                                                                 : found->second.failures;
    };
    if (count(of_address(address)) >= options.failures_of_address) return false;
    if (count(of_account(user)) < options.failures_of_account) return true;
    const auto pair = records_.find(of_pair(address, user));  // its owner is not locked out by others
    return pair != records_.end() && pair->second.good;
}

env::Duration Throttle::failed(const std::string& address, const std::string& user,
                               const ThrottleOptions& options, env::SteadyTime now) {
    const std::lock_guard lock(mutex_);
    std::uint32_t failures = 0;
    for (const auto& key : {of_address(address), of_account(user)}) {
        Record& one = record(key, options, now);
        ++one.failures;
        one.last = now;
        if (key.front() == 'a') failures = one.failures;
    }
    constexpr std::uint32_t doublings_max = 6;
    const auto wait = std::chrono::milliseconds(250) * (1U << std::min(failures - 1, doublings_max));
    return std::min<env::Duration>(wait, options.delay_max);
}

void Throttle::succeeded(const std::string& address, const std::string& user, const ThrottleOptions& options,
                         env::SteadyTime now) {
    const std::lock_guard lock(mutex_);
    records_.erase(of_address(address));
    Record& pair = record(of_pair(address, user), options, now);
    pair.good = true;
    pair.last = now;
}

}  // namespace accounts
