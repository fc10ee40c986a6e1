// Resource records as values: the few types mail needs (RFC 1035, 3596, 7208, 6698, 7505).
#pragma once

#include "dns/name.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace dns {

enum class Type : std::uint16_t {
    A = 1,
    Ns = 2,
    Cname = 5,
    Soa = 6,
    Ptr = 12,
    Mx = 15,
    Txt = 16,
    Aaaa = 28,
    Srv = 33,
    Tlsa = 52
};

struct A {
    std::array<std::uint8_t, 4> address{};
    bool operator==(const A&) const = default;
};
struct Aaaa {
    std::array<std::uint8_t, 16> address{};
    bool operator==(const Aaaa&) const = default;
};
struct Mx {
    std::uint16_t preference = 0;
    Name exchange;
    bool operator==(const Mx&) const = default;
};  // exchange "." is a null MX
struct Txt {
    std::vector<std::string> strings;  // each at most 255 octets
    std::string joined() const;        // concatenated without spaces (RFC 7208 §3.3)
    bool operator==(const Txt&) const = default;
};
struct Ptr {
    Name target;
    bool operator==(const Ptr&) const = default;
};
struct Cname {
    Name target;
    bool operator==(const Cname&) const = default;
};
struct Ns {
    Name target;
    bool operator==(const Ns&) const = default;
};
struct Soa {
    Name primary;
    Name contact;
    std::uint32_t serial = 0, refresh = 0, retry = 0, expire = 0, minimum = 0;
    bool operator==(const Soa&) const = default;
};
struct Srv {
    std::uint16_t priority = 0, weight = 0, port = 0;
    Name target;
    bool operator==(const Srv&) const = default;
};
struct Tlsa {
    std::uint8_t usage = 0, selector = 0, matching = 0;
    std::string data;
    bool operator==(const Tlsa&) const = default;
};

using Record = std::variant<A, Aaaa, Mx, Txt, Ptr, Cname, Ns, Soa, Srv, Tlsa>;

}  // namespace dns
