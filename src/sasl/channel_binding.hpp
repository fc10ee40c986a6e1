// Channel bindings (RFC 5056) as values: what ties a login to the TLS connection it is said on.
#pragma once

#include <array>
#include <map>
#include <string>
#include <string_view>

namespace sasl {

/// Type to octets; a connection without TLS has none.
using ChannelBindings = std::map<std::string, std::string, std::less<>>;

/// What we know, in the order a client takes them: with TLS 1.2 tls-unique is what servers expect (RFC 5802
/// §6), with TLS 1.3 there is none and tls-exporter is (RFC 9266 §3).
constexpr std::array<std::string_view, 3> channel_binding_types = {"tls-unique", "tls-exporter",
                                                                   "tls-server-end-point"};

}  // namespace sasl
