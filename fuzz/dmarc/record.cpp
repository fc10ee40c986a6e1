// DMARC records: anything may be published.
#include "dmarc/record.hpp"

#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto record = dmarc::parse_record({reinterpret_cast<const char*>(data), size});
    if (!record) return 0;
    if (record->percent > 100) std::abort();
    for (const auto* list : {&record->rua, &record->ruf})
        for (const auto& uri : *list)
            if (uri.address.find_first_of("\r\n<>") != std::string::npos) std::abort();
    record->for_missing_subdomain();
    return 0;
}
