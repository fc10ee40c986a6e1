#include "delivery/next_hop.hpp"

#include "base/text.hpp"

namespace delivery {

std::optional<NextHop> parse_next_hop(std::string_view text, std::uint16_t default_port) {
    NextHop out;
    out.port = default_port;
    if (text.starts_with("unix:")) {
        out.unix_path = text.substr(5);
        return out.unix_path.empty() ? std::nullopt : std::optional(out);
    }
    if (text.starts_with("inet:")) text.remove_prefix(5);
    std::string_view port;
    if (text.starts_with('[')) {
        const auto end = text.find(']');
        if (end == std::string_view::npos) return std::nullopt;
        out.host = text.substr(1, end - 1);
        out.literal_host = true;
        const std::string_view rest = text.substr(end + 1);
        if (!rest.empty() && rest.front() != ':') return std::nullopt;
        port = rest.empty() ? rest : rest.substr(1);
    } else {
        const auto colon = text.rfind(':');
        out.host = text.substr(0, colon);
        if (colon != std::string_view::npos) port = text.substr(colon + 1);
    }
    if (base::istarts_with(out.host, "ipv6:")) out.host.erase(0, 5);
    if (out.host.empty()) return std::nullopt;
    if (port.empty()) return out;
    if (port == "smtp") port = "25";
    if (port == "submission") port = "587";
    if (port == "submissions" || port == "smtps") port = "465";
    const auto number = base::parse_number(port, 65535);
    if (!number || *number == 0) return std::nullopt;
    out.port = static_cast<std::uint16_t>(*number);
    return out;
}

std::string socket_path(const std::string& queue_directory, const std::string& path) {
    return path.starts_with('/') ? path : queue_directory + "/" + path;
}

}  // namespace delivery
