// Dates of message headers (RFC 5322 §3.3). Pure: time and zone are arguments.
#pragma once

#include <chrono>
#include <string>

namespace mail {

using TimePoint = std::chrono::time_point<std::chrono::system_clock, std::chrono::nanoseconds>;

/// "Mon, 23 Nov 2026 20:05:13 +0100".
std::string format_date(TimePoint at, std::chrono::minutes zone_offset);

}  // namespace mail
