// Addresses out of a field: each has its place in the text, in order and apart, and everything said beside
// it.
#include "mail/address_list.hpp"

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const auto list = mail::parse_address_list(input);
    if (list.places.size() != list.addresses.size() || list.beside.size() != list.addresses.size())
        std::abort();
    std::size_t reached = 0;
    for (const auto& place : list.places) {
        if (place.begin < reached || place.end < place.begin || place.end > size) std::abort();
        reached = place.end;
    }
    for (const auto& beside : list.beside) {
        if (beside.group && *beside.group >= list.groups.size()) std::abort();
        mail::display_name(beside.phrase);
    }
    if (list.wrong.empty() == list.wrong_at.has_value()) std::abort();
    if (list.wrong_at && *list.wrong_at > size) std::abort();
    if (list.unclosed && *list.unclosed >= size) std::abort();
    if (mail::literal_octets(input) > size) std::abort();
    return 0;
}
