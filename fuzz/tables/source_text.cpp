// The source text of lookup tables.
#include "tables/simple_tables.hpp"

#include <cstdint>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    tables::parse_source(input, tables::SourceFormat::Map);
    tables::parse_source(input, tables::SourceFormat::Alias);
    return 0;
}
