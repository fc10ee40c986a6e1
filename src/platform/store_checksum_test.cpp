#include "platform/store_checksum.hpp"

#include "platform/rocks_store.hpp"

#include <algorithm>
#include <array>
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <string>

namespace platform {
namespace {

constexpr const char* symbol = "_ZN7rocksdb6crc32c6ExtendEjPKcm";

/// 32 octets: first, first + step, …
std::string octets(int first, int step) {
    std::string out;
    for (int i = 0; i < 32; ++i) out += static_cast<char>(first + i * step);
    return out;
}

TEST(StoreChecksum, IsCrc32cOfRfc3720) {  // §B.4
    const std::array<std::pair<std::string, std::uint32_t>, 4> examples = {{{octets(0, 0), 0x8A9136AAU},
                                                                            {octets(0xFF, 0), 0x62A8AB43U},
                                                                            {octets(0, 1), 0x46DD794EU},
                                                                            {octets(31, -1), 0x113FDB5CU}}};
    const auto checksum = fast_checksum();
    if (checksum == nullptr) GTEST_SKIP() << "this processor has no CRC-32C instruction";
    for (const auto& [data, sum] : examples) EXPECT_EQ(checksum(0, data.data(), data.size()), sum);
}

TEST(StoreChecksum, IsWhatTheLibraryCallsAndAgreesWithItsOwn) {
    // Opening one binds the library to this program, as in the server.
    ASSERT_FALSE(RocksDatabase::open_for_reading("/nowhere").has_value());
    const auto called = reinterpret_cast<ChecksumFunction>(::dlsym(RTLD_DEFAULT, symbol));
    Dl_info from{};
    ASSERT_NE(::dladdr(reinterpret_cast<void*>(called), &from), 0);
    EXPECT_EQ(std::string(from.dli_fname).find("librocksdb"), std::string::npos);

    const auto own = reinterpret_cast<ChecksumFunction>(::dlsym(RTLD_NEXT, symbol));
    ASSERT_NE(own, nullptr);
    ASSERT_NE(own, called);
    std::string data;
    for (int i = 0; i < 300; ++i) data += static_cast<char>(i * 37 + i / 7);
    for (std::size_t start = 0; start < 9; ++start) {
        for (std::size_t size = 0; start + size <= data.size(); ++size) {
            const auto before = static_cast<std::uint32_t>(size * 2654435761U);
            ASSERT_EQ(called(before, data.data() + start, size), own(before, data.data() + start, size));
        }
    }
}

}  // namespace
}  // namespace platform
