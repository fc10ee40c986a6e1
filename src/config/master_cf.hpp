// master.cf: the services (master(5)). Pure.
#pragma once

#include "config/diagnostics.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace config {

struct Service {
    std::string name;  // "smtp", "127.0.0.1:2525"
    std::string type;  // inet, unix, unix-dgram, fifo, pass
    std::string private_, unprivileged, chroot, wakeup, process_limit;
    std::string command;                                         // "smtpd"
    std::vector<std::string> arguments;                          // without -o
    std::vector<std::pair<std::string, std::string>> overrides;  // -o name=value
    std::string file;
    int line = 0;
};

std::vector<Service> parse_master_cf(std::string_view text, const std::string& file,
                                     Diagnostics& diagnostics);

/// "smtp" or "25" or "host:port" of an inet service. `host` empty: every address of inet_interfaces.
struct ListenAddress {
    std::string host;
    std::uint16_t port = 0;
};
std::optional<ListenAddress> parse_listen_address(std::string_view name);

}  // namespace config
