#include "delivery/delivered_to.hpp"

#include "base/text.hpp"
#include "mail/header.hpp"

namespace delivery {

env::Task<bool> was_delivered_to(queue::ContentReader& content, std::string address) {
    constexpr std::size_t header_octets_max = 1 << 20;
    mail::HeaderScanner scanner;
    content.rewind();
    for (std::size_t read = 0; !scanner.ended() && read < header_octets_max;) {
        auto piece = co_await content.next();
        if (!piece || piece->empty()) break;
        read += piece->size();
        scanner.feed(*piece);
    }
    content.rewind();
    for (const auto& seen : scanner.delivered_to())
        if (base::iequals(seen, address)) co_return true;
    co_return false;
}

}  // namespace delivery
