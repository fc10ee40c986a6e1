#include "server/proxy_protocol.hpp"

#include "base/text.hpp"

#include <algorithm>

namespace server {
namespace {

constexpr std::string_view signature_v2 = std::string_view("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::string_view signature_v1 = "PROXY ";
constexpr std::size_t line_octets_max = 107;
constexpr std::size_t fixed_octets_v2 = 16;

ProxyHeader more(std::size_t wanted) {
    ProxyHeader out;
    out.wanted = wanted;
    return out;
}

ProxyHeader malformed() {
    ProxyHeader out;
    out.kind = ProxyHeader::Kind::Malformed;
    return out;
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
    if (text.size() > 1 && text.front() == '0') return std::nullopt;
    const auto number = base::parse_number(text, UINT16_MAX);
    return number ? std::optional(static_cast<std::uint16_t>(*number)) : std::nullopt;
}

ProxyHeader parse_v1(std::string_view input) {
    ProxyHeader out;
    const auto end = input.find("\r\n");
    if (end == std::string_view::npos)
        return input.size() >= line_octets_max || input.find('\n') != std::string_view::npos ? malformed()
                                                                                             : more(1);
    if (end + 2 > line_octets_max) return malformed();
    out.size = end + 2;
    const auto words = base::split(input.substr(0, end), ' ');
    if (words.size() >= 2 && words[1] == "UNKNOWN") {
        out.kind = ProxyHeader::Kind::Local;
        return out;
    }
    const bool v4 = words.size() == 6 && words[1] == "TCP4", v6 = words.size() == 6 && words[1] == "TCP6";
    if (!v4 && !v6) return malformed();
    const auto client = env::IpAddress::parse(words[2]), server = env::IpAddress::parse(words[3]);
    const auto client_port = parse_port(words[4]), server_port = parse_port(words[5]);
    const bool colon = words[2].find(':') != std::string_view::npos;
    if (!client || !server || !client_port || !server_port || colon != v6) return malformed();
    out.kind = ProxyHeader::Kind::Proxied;
    out.client = {*client, *client_port, {}};
    out.server = {*server, *server_port, {}};
    return out;
}

unsigned octet(std::string_view input, std::size_t at) { return static_cast<unsigned char>(input[at]); }

ProxyHeader parse_v2(std::string_view input) {
    ProxyHeader out;
    if (input.size() < fixed_octets_v2) return more(fixed_octets_v2 - input.size());
    const unsigned version = octet(input, 12) >> 4, command = octet(input, 12) & 15,
                   family = octet(input, 13);
    const std::size_t length = octet(input, 14) << 8 | octet(input, 15);
    if (version != 2 || command > 1 || fixed_octets_v2 + length > proxy_header_octets_max) return malformed();
    if (input.size() < fixed_octets_v2 + length) return more(fixed_octets_v2 + length - input.size());
    out.size = fixed_octets_v2 + length;
    const std::size_t width = family == 0x11 ? 4 : family == 0x21 ? 16 : 0;
    if (command == 0 || (family == 0 && width == 0)) {  // LOCAL, or AF_UNSPEC
        out.kind = ProxyHeader::Kind::Local;
        return out;
    }
    if (width == 0 || length < 2 * width + 4) return malformed();
    const auto address = [&](std::size_t at) {
        return env::IpAddress::from_bytes({reinterpret_cast<const std::uint8_t*>(input.data()) + at, width});
    };
    const auto port = [&](std::size_t at) {
        return static_cast<std::uint16_t>(octet(input, at) << 8 | octet(input, at + 1));
    };
    const std::size_t ports = fixed_octets_v2 + 2 * width;
    out.kind = ProxyHeader::Kind::Proxied;
    out.client = {address(fixed_octets_v2), port(ports), {}};
    out.server = {address(fixed_octets_v2 + width), port(ports + 2), {}};
    return out;
}

bool may_begin(std::string_view input, std::string_view signature) {
    const auto size = std::min(input.size(), signature.size());
    return input.substr(0, size) == signature.substr(0, size);
}

}  // namespace

ProxyHeader parse_proxy_header(std::string_view input) {
    for (const auto signature : {signature_v1, signature_v2})
        if (may_begin(input, signature) && input.size() < signature.size())
            return more(signature_v1.size() - std::min(signature_v1.size() - 1, input.size()));
    if (input.starts_with(signature_v2)) return parse_v2(input);
    if (input.starts_with(signature_v1)) return parse_v1(input);
    return malformed();
}

}  // namespace server
