// What the store and the maildrop hold: damaged records are refused, good ones come back the same.
#include "queue/maildrop.hpp"
#include "queue/record.hpp"

#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    queue::parse_key(input);
    if (const auto record = queue::decode_envelope(input)) {
        const std::string bytes = queue::encode(*record);
        const auto again = queue::decode_envelope(bytes);
        if (!again || queue::encode(*again) != bytes) std::abort();
    }
    if (const auto record = queue::decode_state(input)) queue::encode(*record);
    if (const auto record = queue::decode_recipient(input)) queue::encode(*record);
    if (const auto message = queue::decode_dropped(input)) {
        if (message->envelope.recipients.size() > queue::maildrop_recipients_max) std::abort();
        const std::string bytes = queue::encode(*message);
        const auto again = queue::decode_dropped(bytes);
        if (!again || again->content != message->content) std::abort();
    }
    return 0;
}
