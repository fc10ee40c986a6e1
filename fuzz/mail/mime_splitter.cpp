// The MIME splitter: whatever comes, in whatever pieces, every octet comes out once and in order.
#include "mail/mime_splitter.hpp"

#include "base/check.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 1) return 0;
    const std::size_t step = data[0] % 64 + 1;
    const std::string_view message(reinterpret_cast<const char*>(data) + 1, size - 1);
    for (const auto follow : {mail::MimeSplitter::Follow::Parts, mail::MimeSplitter::Follow::Nothing}) {
        mail::MimeSplitter splitter(follow, {200, 80, 20, 5});
        std::string whole;
        for (std::size_t at = 0; at < message.size(); at += step) {
            splitter.feed(message.substr(at, step));
            while (const auto piece = splitter.next()) whole += piece->text;
        }
        splitter.finish();
        while (const auto piece = splitter.next()) whole += piece->text;
        CHECK(whole == message);
    }
    return 0;
}
