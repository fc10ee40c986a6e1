#include "mail/date.hpp"

#include <fmt/format.h>

namespace mail {

std::string format_date(std::chrono::sys_seconds at, std::chrono::minutes zone_offset) {
    using namespace std::chrono;
    constexpr const char* days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    constexpr const char* months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const auto local = at + zone_offset;
    const auto day = floor<std::chrono::days>(local);
    const year_month_day date{day};
    const hh_mm_ss time{local - day};
    const auto zone = zone_offset.count() < 0 ? -zone_offset.count() : zone_offset.count();
    return fmt::format("{}, {} {} {} {:02}:{:02}:{:02} {}{:02}{:02}", days[weekday{day}.c_encoding()],
                       static_cast<unsigned>(date.day()), months[static_cast<unsigned>(date.month()) - 1],
                       static_cast<int>(date.year()), time.hours().count(), time.minutes().count(),
                       time.seconds().count(), zone_offset.count() < 0 ? '-' : '+', zone / 60, zone % 60);
}

}  // namespace mail
