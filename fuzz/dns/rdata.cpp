// Resource data of hostile servers.
#include "dns/rdata.hpp"

#include <cstdint>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    constexpr dns::Type types[] = {dns::Type::A,   dns::Type::Aaaa, dns::Type::Mx,  dns::Type::Txt,
                                   dns::Type::Ptr, dns::Type::Soa,  dns::Type::Srv, dns::Type::Tlsa,
                                   dns::Type::Ns,  dns::Type::Cname};
    dns::decode_rdata(types[data[0] % std::size(types)], {reinterpret_cast<const char*>(data) + 1, size - 1});
    return 0;
}
