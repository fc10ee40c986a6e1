// A next hop as transport_maps, relayhost and <transport>: values write it. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace delivery {

/// "[host]:port", "host:port", "host", "unix:path", "inet:host:port".
struct NextHop {
    std::string host;  // without brackets
    std::uint16_t port = 0;
    bool literal_host = false;  // in brackets: no MX
    std::string unix_path;
};
/// nullopt: not one of these.
std::optional<NextHop> parse_next_hop(std::string_view text, std::uint16_t default_port);

/// Where a unix-domain socket is: paths are relative to queue_directory.
std::string socket_path(const std::string& queue_directory, const std::string& path);

}  // namespace delivery
