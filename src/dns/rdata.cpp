#include "dns/rdata.hpp"

#include <algorithm>

namespace dns {
namespace {

template <class T>
std::optional<T> take_number(std::string_view& octets) {
    if (octets.size() < sizeof(T)) return std::nullopt;
    T out = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i)
        out = static_cast<T>(out << 8 | static_cast<unsigned char>(octets[i]));
    octets.remove_prefix(sizeof(T));
    return out;
}

template <class T, std::size_t N>
std::optional<Record> address(std::string_view octets) {
    if (octets.size() != N) return std::nullopt;
    T out;
    std::ranges::copy(octets, reinterpret_cast<char*>(out.address.data()));
    return out;
}

template <class T>
std::optional<Record> target(std::string_view octets) {
    auto name = take_name(octets);
    if (!name || !octets.empty()) return std::nullopt;
    return T{std::move(*name)};
}

std::optional<Record> text(std::string_view octets) {
    Txt out;
    while (!octets.empty()) {
        const auto length = static_cast<unsigned char>(octets.front());
        if (octets.size() < 1U + length) return std::nullopt;
        out.strings.emplace_back(octets.substr(1, length));
        octets.remove_prefix(1U + length);
    }
    return out.strings.empty() ? std::nullopt : std::optional<Record>(std::move(out));
}

std::optional<Record> start_of_authority(std::string_view octets) {
    Soa out;
    auto primary = take_name(octets);
    if (!primary) return std::nullopt;
    auto contact = take_name(octets);
    if (!contact) return std::nullopt;
    out.primary = std::move(*primary);
    out.contact = std::move(*contact);
    for (auto* field : {&out.serial, &out.refresh, &out.retry, &out.expire, &out.minimum}) {
        const auto number = take_number<std::uint32_t>(octets);
        if (!number) return std::nullopt;
        *field = *number;
    }
    return octets.empty() ? std::optional<Record>(std::move(out)) : std::nullopt;
}

}  // namespace

std::optional<Name> take_name(std::string_view& octets) {
    std::string out;
    for (;;) {
        if (octets.empty()) return std::nullopt;
        const auto length = static_cast<unsigned char>(octets.front());
        if (length > 63 || octets.size() < 1U + length) return std::nullopt;
        const auto label = octets.substr(1, length);
        octets.remove_prefix(1U + length);
        if (length == 0) break;
        if (label.find('.') != std::string_view::npos) return std::nullopt;
        if (!out.empty()) out += '.';
        out += label;
    }
    return out.empty() ? std::optional(Name{}) : Name::parse(out);
}

std::optional<Record> decode_rdata(Type type, std::string_view octets) {
    switch (type) {
        case Type::A:
            return address<A, 4>(octets);
        case Type::Aaaa:
            return address<Aaaa, 16>(octets);
        case Type::Ns:
            return target<Ns>(octets);
        case Type::Cname:
            return target<Cname>(octets);
        case Type::Ptr:
            return target<Ptr>(octets);
        case Type::Txt:
            return text(octets);
        case Type::Soa:
            return start_of_authority(octets);
        case Type::Mx: {
            const auto preference = take_number<std::uint16_t>(octets);
            if (!preference) return std::nullopt;
            auto exchange = take_name(octets);
            if (!exchange || !octets.empty()) return std::nullopt;
            return Mx{*preference, std::move(*exchange)};
        }
        case Type::Srv: {
            const auto priority = take_number<std::uint16_t>(octets),
                       weight = take_number<std::uint16_t>(octets), port = take_number<std::uint16_t>(octets);
            if (!port) return std::nullopt;
            auto name = take_name(octets);
            if (!name || !octets.empty()) return std::nullopt;
            return Srv{*priority, *weight, *port, std::move(*name)};
        }
        case Type::Tlsa: {
            if (octets.size() < 3) return std::nullopt;
            const auto octet = [&](std::size_t i) { return static_cast<std::uint8_t>(octets[i]); };
            return Tlsa{octet(0), octet(1), octet(2), std::string(octets.substr(3))};
        }
    }
    return std::nullopt;
}

}  // namespace dns
