// A date that was read is written and read again as the same one; an error names a place inside the text.
#include "mail/date.hpp"

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const auto date = mail::parse_date(input);
    if (!date) {
        if (date.error().position > size || date.error().why.empty()) std::abort();
        return 0;
    }
    const auto again = mail::parse_date(mail::format_date(date->at, date->zone_offset));
    if (!again || again->at != date->at || again->zone_offset != date->zone_offset) std::abort();
    return 0;
}
