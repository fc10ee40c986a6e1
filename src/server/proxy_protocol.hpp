// The PROXY protocol, versions 1 and 2 (haproxy's proxy-protocol.txt): the first octets of a connection from
// a load balancer say who the client really is. Pure: octets in, a verdict out. A header's size is bounded.
#pragma once

#include "env/network.hpp"

#include <optional>
#include <string_view>

namespace server {

struct ProxyHeader {
    enum class Kind {
        More,      // not all of it is here yet
        Proxied,   // `client` and `server` are set
        Local,     // the proxy speaks for itself (health check): the connection's own addresses count
        Malformed  // this is no PROXY header: nothing it says may be believed
    } kind = Kind::More;
    std::size_t wanted = 0;  // More: so many further octets belong to the header for sure
    std::size_t size = 0;    // octets of the header, when complete
    env::Endpoint client, server;
};

/// A version 1 line has at most 107 octets, a version 2 header is taken up to this size.
constexpr std::size_t proxy_header_octets_max = 536;

/// `input`: everything received so far.
ProxyHeader parse_proxy_header(std::string_view input);

}  // namespace server
