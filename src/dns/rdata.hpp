// Resource data in wire form (RFC 1035 §3.3, RFC 3596, 2782, 6698), uncompressed, as libunbound hands it out.
// Pure.
#pragma once

#include "dns/record.hpp"

#include <optional>
#include <string_view>

namespace dns {

/// nullopt: malformed, trailing octets, or a name that Name cannot hold.
std::optional<Record> decode_rdata(Type type, std::string_view octets);
/// A name in wire form without compression, from the start of `octets`; what is used is taken off.
std::optional<Name> take_name(std::string_view& octets);

}  // namespace dns
