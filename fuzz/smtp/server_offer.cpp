// What a hostile server offers: read from any reply, with and without keywords that are passed over.
#include "smtp/server_offer.hpp"

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string input(reinterpret_cast<const char*>(data), size);
    input += "\r\n250 END\r\n";
    smtp::ReplyParser parser;
    std::size_t consumed = 0;
    if (parser.feed(input, consumed) != smtp::ReplyParser::Result::Complete) return 0;
    const auto reply = parser.take();
    const auto extensions = smtp::offered_extensions(reply);
    if (extensions.size() >= reply.lines.size() && !extensions.empty())
        std::abort();  // the first line is no offer
    for (const auto& one : extensions)
        if (one.keyword.empty()) std::abort();
    const auto offer = smtp::read_offer(reply);
    if (offer.size_limit != 0 && !offer.size) std::abort();
    std::vector<std::string> all;
    for (const auto& one : extensions) all.push_back(one.keyword);
    const auto nothing = smtp::read_offer(reply, all);
    if (nothing.size || nothing.start_tls || nothing.dsn || !nothing.mechanisms.empty()) std::abort();
    return 0;
}
