// What other systems send back.
#include "mail/dsn_reader.hpp"

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const mail::ReturnedLimits limits;
    const auto got = mail::read_returned_mail(input);
    if (got.recipients.size() > limits.recipients_max || got.mentioned.size() > limits.mentioned_max)
        std::abort();
    mail::ReturnedMail blocks;
    mail::read_delivery_status(input, limits, blocks);
    for (const auto& one : blocks.recipients) static_cast<void>(one.address());
    return 0;
}
