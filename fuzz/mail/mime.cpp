// The tree of a message's parts: within the message, within the limits.
#include "mail/mime.hpp"

#include <cstdint>
#include <cstdlib>

namespace {

std::size_t check(const mail::MimeEntity& entity, std::string_view message, std::size_t depth) {
    const mail::MimeLimits limits;
    if (entity.header_begin > entity.body_begin || entity.body_begin > entity.end ||
        entity.end > message.size() || depth > limits.depth_max)
        std::abort();
    constexpr std::size_t octets_max = 100;
    if (entity.decoded(message, octets_max).size() > octets_max) std::abort();
    std::size_t parts = 1;
    for (const auto& part : entity.parts) {
        if (part.header_begin < entity.body_begin || part.end > entity.end) std::abort();
        parts += check(part, message, depth + 1);
    }
    return parts;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    if (check(mail::parse_mime(input), input, 0) > mail::MimeLimits{}.parts_max) std::abort();
    mail::parse_parameterized(input);
    mail::decode_encoded_words(input);
    return 0;
}
