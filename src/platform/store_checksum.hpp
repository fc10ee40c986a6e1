// CRC-32C with the processor's own instruction: the checksum of everything RocksDB writes
// (docs/decisions/0058).
#pragma once

#include <cstddef>
#include <cstdint>

namespace platform {

/// Continues a CRC-32C, which is to continue `before` (0 at the start) over the octets (RFC 3720 §B.4).
using ChecksumFunction = std::uint32_t (*)(std::uint32_t before, const char* data, std::size_t size);

/// The function that uses the instruction; nullptr where the processor has none.
ChecksumFunction fast_checksum();

}  // namespace platform
