// gzip and zip: no more is unpacked than allowed, and what we pack comes back.
#include "reports/archive.hpp"

#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    reports::ArchiveLimits limits;
    limits.octets_max = 100'000;
    if (const auto out = reports::gunzip(input, limits); out && out->size() > limits.octets_max) std::abort();
    if (const auto out = reports::unzip(input, limits)) {
        std::size_t total = 0;
        for (const auto& entry : out->entries) total += entry.content.size();
        if (total > limits.octets_max || out->entries.size() > limits.entries_max) std::abort();
    }
    if (size <= limits.octets_max && reports::gunzip(reports::gzip(input), limits) != input) std::abort();
    return 0;
}
