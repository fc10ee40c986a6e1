// Dates of message headers (RFC 5322 §3.3). Pure: time and zone are arguments.
#pragma once

#include <chrono>
#include <cstddef>
#include <expected>
#include <string>
#include <string_view>

namespace mail {

using TimePoint = std::chrono::time_point<std::chrono::system_clock, std::chrono::nanoseconds>;

/// "Mon, 23 Nov 2026 20:05:13 +0100".
std::string format_date(std::chrono::sys_seconds at, std::chrono::minutes zone_offset);
inline std::string format_date(TimePoint at, std::chrono::minutes zone_offset) {
    return format_date(std::chrono::floor<std::chrono::seconds>(at), zone_offset);
}

struct Date {
    std::chrono::sys_seconds at;  // of the years 1900 to 9999: more than a TimePoint can count
    std::chrono::minutes zone_offset{0};
    bool zone_unknown = false;  // "-0000", or a zone whose name says nothing (§4.3)
};
struct DateError {
    std::size_t position = 0;  // where it is no date any more
    std::string_view why;
};
/// A field's value, folded or not, comments anywhere; also the old forms of §4.3 (years of two and three
/// digits, named zones). A day of the week is read and not believed. Behind the date stands nothing.
std::expected<Date, DateError> parse_date(std::string_view text);

}  // namespace mail
