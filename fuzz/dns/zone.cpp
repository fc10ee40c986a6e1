// Names and zone text.
#include "dns/zone_text.hpp"

#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    if (const auto name = dns::Name::parse(input)) {
        if (dns::Name::parse(name->text() + ".") != name || name->text().size() > 253) std::abort();
        name->parent();
        name->prepend("_dmarc");
    }
    if (const auto record = dns::parse_zone_line(input)) dns::type_of(record->record);
    return 0;
}
