// Command lines: bounded, the same whatever the pieces are.
#include "smtp/line_decoder.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

std::vector<std::string> lines_of(std::string_view input, std::size_t piece) {
    smtp::LineDecoder decoder(64);
    std::vector<std::string> out;
    while (!input.empty()) {
        const auto result = decoder.next(input.substr(0, piece));
        if (result.kind == smtp::LineDecoder::Kind::Line) {
            if (result.line.size() > 64 || result.line.find('\n') != std::string_view::npos) std::abort();
            out.emplace_back(result.line);
            if (result.bare_newline) out.emplace_back("(bare)");
        }
        if (result.kind == smtp::LineDecoder::Kind::TooLong) out.emplace_back("(too long)");
        if (result.consumed == 0) std::abort();
        input.remove_prefix(result.consumed);
    }
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    if (lines_of(input, size + 1) != lines_of(input, 1)) std::abort();
    return 0;
}
