// The right-hand side of aliases, and next hops.
#include "delivery/alias_value.hpp"

#include "delivery/smtp_client.hpp"

#include <cstdint>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    delivery::parse_alias_value(input);
    delivery::parse_next_hop(input, 25);
    return 0;
}
