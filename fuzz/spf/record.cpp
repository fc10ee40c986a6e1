// SPF records and macros: anything may be published.
#include "spf/record.hpp"

#include "spf/macro.hpp"

#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    spf::MacroValues values;
    values.sender = "strong-bad@email.example.com";
    values.local_part = "strong-bad";
    values.sender_domain = values.domain = "email.example.com";
    values.helo = "mail.example.com";
    const auto record = spf::parse_record(input);
    if (record) {
        for (const auto& mechanism : record->mechanisms) {
            if (mechanism.prefix4 > 32 || mechanism.prefix6 > 128) std::abort();
            if (spf::expand_domain(mechanism.domain_spec, values).size() > 253) std::abort();
        }
    }
    for (const auto place : {spf::MacroPlace::DomainSpec, spf::MacroPlace::Explanation})
        if (spf::is_valid_macro_text(input, place)) spf::expand_macros(input, values, place);
    return 0;
}
