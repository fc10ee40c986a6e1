#include "queue/sender_group.hpp"

#include "base/text.hpp"

#include <string_view>

namespace queue {
namespace {

class Hash {  // FNV-1a
 public:
    void add(char c) { value_ = (value_ ^ static_cast<unsigned char>(base::to_lower(c))) * 16777619U; }
    void add(std::string_view text) {
        for (const char c : text) add(c);
        add('\0');
    }
    SenderGroup take() const { return static_cast<SenderGroup>((value_ ^ value_ >> 16) % sender_groups); }

 private:
    std::uint32_t value_ = 2166136261U;
};

}  // namespace

SenderGroup sender_group(const mail::Envelope& envelope) {
    Hash out;
    if (!envelope.origin.sasl_username.empty()) {
        out.add(envelope.origin.sasl_username);
        return out.take();
    }
    if (envelope.sender.is_null()) return out.take();
    const mail::Address& address = envelope.sender.address();
    std::string_view stem = address.local_part;
    if (const auto equals = stem.find('=');
        equals != std::string_view::npos) {  // VERP: list-17-ann=a.example
        const auto mark = stem.find_last_of("-+", equals);
        stem = stem.substr(0, mark == std::string_view::npos ? equals : mark);
    }
    for (const char c : stem.substr(0, stem.find('+')))
        if (!base::is_digit(c)) out.add(c);
    out.add('@');
    out.add(address.domain);
    return out.take();
}

}  // namespace queue
