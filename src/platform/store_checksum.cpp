#include "platform/store_checksum.hpp"

#include <cstring>
#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__)
#include <arm_acle.h>
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace platform {
namespace {

#if defined(__x86_64__)
#define CHECKSUM_TARGET __attribute__((target("sse4.2")))
bool offered() { return __builtin_cpu_supports("sse4.2") != 0; }
CHECKSUM_TARGET inline std::uint64_t step8(std::uint64_t sum, std::uint64_t word) {
    return _mm_crc32_u64(sum, word);
}
CHECKSUM_TARGET inline std::uint64_t step1(std::uint64_t sum, unsigned char octet) {
    return _mm_crc32_u8(static_cast<std::uint32_t>(sum), octet);
}
#elif defined(__aarch64__)
#define CHECKSUM_TARGET __attribute__((target("+crc")))
bool offered() { return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0; }
CHECKSUM_TARGET inline std::uint64_t step8(std::uint64_t sum, std::uint64_t word) {
    return __crc32cd(static_cast<std::uint32_t>(sum), word);
}
CHECKSUM_TARGET inline std::uint64_t step1(std::uint64_t sum, unsigned char octet) {
    return __crc32cb(static_cast<std::uint32_t>(sum), octet);
}
#endif

#ifdef CHECKSUM_TARGET
CHECKSUM_TARGET std::uint32_t by_instruction(std::uint32_t before, const char* data, std::size_t size) {
    std::uint64_t sum = before ^ 0xFFFFFFFFU;
    for (; size >= sizeof(std::uint64_t); data += sizeof(std::uint64_t), size -= sizeof(std::uint64_t)) {
        std::uint64_t word = 0;
        std::memcpy(&word, data, sizeof word);
        sum = step8(sum, word);
    }
    for (; size > 0; ++data, --size) sum = step1(sum, static_cast<unsigned char>(*data));
    return static_cast<std::uint32_t>(sum) ^ 0xFFFFFFFFU;
}
#endif

}  // namespace

ChecksumFunction fast_checksum() {
#ifdef CHECKSUM_TARGET
    if (offered()) return by_instruction;
#endif
    return nullptr;
}

}  // namespace platform
