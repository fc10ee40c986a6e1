// The end of a message: the same whatever the pieces are, found only at <CR><LF>.<CR><LF>; what the encoder
// makes comes back.
#include "smtp/dot_decoder.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>

namespace {

struct Decoded {
    std::string text;
    std::size_t consumed = 0;
    bool finished = false;
};

Decoded decode(std::string_view input, std::size_t piece) {
    Decoded out;
    smtp::DotDecoder decoder;
    while (!input.empty() && !out.finished) {
        const auto result = decoder.decode(input.substr(0, piece), out.text);
        out.consumed += result.consumed;
        out.finished = result.finished;
        input.remove_prefix(result.consumed);
        if (!result.finished && result.consumed == 0) std::abort();
    }
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const Decoded whole = decode(input, size + 1);
    for (const std::size_t piece : {1, 2, 3, 7}) {
        const Decoded parts = decode(input, piece);
        if (parts.finished != whole.finished || parts.consumed != whole.consumed) std::abort();
        if (whole.finished && parts.text != whole.text) std::abort();
    }
    if (whole.finished) {
        const auto taken = input.substr(0, whole.consumed);
        if (!taken.ends_with("\r\n.\r\n") && taken != ".\r\n") std::abort();
    }
    smtp::DotEncoder encoder;
    std::string wire;
    encoder.encode(input, wire);
    encoder.finish(wire);
    const Decoded back = decode(wire, wire.size() + 1);
    if (!back.finished || back.consumed != wire.size()) std::abort();
    return 0;
}
