// Replies of a hostile server: bounded, printable, the same whatever the pieces are.
#include "smtp/reply_parser.hpp"

#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view input(reinterpret_cast<const char*>(data), size);
    smtp::ReplyParser parser;
    while (!input.empty()) {
        std::size_t consumed = 0;
        const std::size_t piece = 1 + input.size() % 7;
        const auto result = parser.feed(input.substr(0, piece), consumed);
        if (consumed > piece) std::abort();
        input.remove_prefix(consumed);
        if (result == smtp::ReplyParser::Result::Malformed) return 0;
        if (result == smtp::ReplyParser::Result::Complete) {
            const auto reply = parser.take();
            if (reply.code < 200 || reply.code > 599 || reply.lines.empty()) std::abort();
            for (const char c : reply.text())
                if (c == '\r' || c == '\n' || c == '\0') std::abort();
            reply.status();
        } else if (consumed == 0) {
            std::abort();
        }
    }
    return 0;
}
