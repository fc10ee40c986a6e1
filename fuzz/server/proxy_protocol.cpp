// PROXY headers: bounded, and never more wanted than the header has.
#include "server/proxy_protocol.hpp"

#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    using Kind = server::ProxyHeader::Kind;
    std::size_t taken = 0;
    auto header = server::parse_proxy_header({});
    while (header.kind == Kind::More) {
        if (header.wanted == 0 || taken + header.wanted > server::proxy_header_octets_max) std::abort();
        if (taken + header.wanted > input.size()) return 0;
        taken += header.wanted;
        header = server::parse_proxy_header(input.substr(0, taken));
    }
    if (header.kind != Kind::Malformed && header.size != taken) std::abort();
    return 0;
}
