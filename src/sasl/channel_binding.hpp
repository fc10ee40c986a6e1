// Channel bindings (RFC 5056) as values: what ties a login to the TLS connection it is said on.
#pragma once

#include <array>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace sasl {

/// Type to octets; a connection without TLS has none.
using ChannelBindings = std::map<std::string, std::string, std::less<>>;

/// What we know, in the order a client takes them: with TLS 1.2 tls-unique is what servers expect (RFC 5802
/// §6), with TLS 1.3 there is none and tls-exporter is (RFC 9266 §3).
constexpr std::array<std::string_view, 3> channel_binding_types = {"tls-unique", "tls-exporter",
                                                                   "tls-server-end-point"};

/// Those a stream has: anything with `std::string channel_binding(type)`, empty for none.
template <class Stream>
ChannelBindings bindings_of(const Stream& stream) {
    ChannelBindings out;
    for (const auto type : channel_binding_types)
        if (auto octets = stream.channel_binding(type); !octets.empty()) out.emplace(type, std::move(octets));
    return out;
}

}  // namespace sasl
