#include "acme/schedule.hpp"

#include <algorithm>

namespace acme {

using std::chrono::seconds;

env::WallTime renewal_time(env::WallTime not_before, env::WallTime not_after, seconds before, double dice) {
    const auto lifetime = std::max(std::chrono::duration_cast<seconds>(not_after - not_before), seconds(0));
    constexpr seconds short_lived = std::chrono::hours(24 * 10);
    auto left = before > seconds(0) ? before : lifetime / (lifetime <= short_lived ? 2 : 3);
    left = std::min(left, lifetime * 4 / 5);  // else every look would renew
    const auto earlier = seconds(static_cast<seconds::rep>(static_cast<double>(left.count()) / 5 * dice));
    return not_after - std::min(left + earlier, lifetime * 9 / 10);
}

seconds retry_delay(std::uint32_t failures, seconds first, seconds asked_for, double dice) {
    constexpr seconds most = std::chrono::hours(24);
    seconds delay = first;
    for (std::uint32_t i = 1; i < failures && delay < most; ++i) delay *= 2;
    delay = std::min(delay, most);
    const double factor = 0.75 + dice / 2;
    delay = seconds(static_cast<seconds::rep>(static_cast<double>(delay.count()) * factor));
    return std::max({delay, asked_for, seconds(1)});
}

}  // namespace acme
