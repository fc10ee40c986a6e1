// When to renew and how long to wait after a failure. Pure: the dice are an argument.
#pragma once

#include "env/clock.hpp"

#include <cstdint>

namespace acme {

/// `dice`: uniform in [0, 1). `before` 0: when a third of the lifetime is left, or half of it for lifetimes
/// of ten days and less; always up to a fifth of that rest earlier, so that many servers do not come at once.
env::WallTime renewal_time(env::WallTime not_before, env::WallTime not_after, std::chrono::seconds before,
                           double dice);

/// After the `failures`-th failure in a row (1 is the first): `first` doubled each time up to a day, more or
/// less a quarter; never sooner than the authority said.
std::chrono::seconds retry_delay(std::uint32_t failures, std::chrono::seconds first,
                                 std::chrono::seconds asked_for, double dice);

}  // namespace acme
