#include "accounts/throttle.hpp"

#include "base/text.hpp"

#include <algorithm>

namespace accounts {
namespace {

constexpr auto good_for = std::chrono::hours(24 * 30);

/// One customer has a /64 or more: what is below it costs nothing to change.
std::string of_address(const env::IpAddress& address) {
    constexpr std::size_t v6_octets = 8;
    const auto octets = address.bytes();
    const std::size_t size = address.is_v4() ? octets.size() : v6_octets;
    return {reinterpret_cast<const char*>(octets.data()), size};
}
std::string of_pair(const env::IpAddress& address, const std::string& user) {
    return base::lower(user) + '\0' + of_address(address);
}

}  // namespace

bool Throttle::may_try(const env::IpAddress& address, const std::string& user, const ThrottleOptions& options,
                       env::SteadyTime now) {
    const std::lock_guard lock(mutex_);
    const auto count = [&](const Failures* failures) {
        return failures && now - failures->last <= options.ban ? failures->count : 0U;
    };
    if (count(addresses_.find(of_address(address))) >= options.failures_of_address) return false;
    if (user.empty() || count(accounts_.find(base::lower(user))) < options.failures_of_account) return true;
    const auto* good = good_.find(of_pair(address, user));  // its owner is not locked out by others
    return good && now - good->last <= good_for;
}

env::Duration Throttle::failed(const env::IpAddress& address, const std::string& user,
                               const ThrottleOptions& options, env::SteadyTime now) {
    const std::lock_guard lock(mutex_);
    const auto add = [&](Failures& failures) {
        if (now - failures.last > options.ban) failures.count = 0;
        failures.last = now;
        return ++failures.count;
    };
    if (!user.empty()) add(accounts_.use(base::lower(user)));
    const std::uint32_t failures = add(addresses_.use(of_address(address)));
    constexpr std::uint32_t doublings_max = 6;
    const auto wait = std::chrono::milliseconds(250) * (1U << std::min(failures - 1, doublings_max));
    return std::min<env::Duration>(wait, options.delay_max);
}

void Throttle::succeeded(const env::IpAddress& address, const std::string& user, env::SteadyTime now) {
    const std::lock_guard lock(mutex_);
    addresses_.forget(of_address(address));
    good_.use(of_pair(address, user)).last = now;
}

std::size_t Throttle::records() const {
    const std::lock_guard lock(mutex_);
    return addresses_.size() + accounts_.size() + good_.size();
}

}  // namespace accounts
