#include "env/network.hpp"

#include "base/check.hpp"
#include "env/file_system.hpp"

#include <arpa/inet.h>
#include <cstring>
#include <fmt/format.h>
#include <ranges>

namespace env {
namespace {

constexpr std::uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

}  // namespace

std::expected<IpAddress, std::monostate> IpAddress::parse(std::string_view text) {
    char terminated[64];
    if (text.empty() || text.size() >= sizeof terminated) return std::unexpected(std::monostate{});
    std::memcpy(terminated, text.data(), text.size());
    terminated[text.size()] = '\0';
    if (std::strlen(terminated) != text.size()) return std::unexpected(std::monostate{});
    std::uint8_t bytes[16];
    if (::inet_pton(AF_INET, terminated, bytes) == 1) return from_bytes({bytes, 4});
    if (::inet_pton(AF_INET6, terminated, bytes) == 1) return from_bytes({bytes, 16});
    return std::unexpected(std::monostate{});
}

IpAddress IpAddress::from_bytes(std::span<const std::uint8_t> bytes) {
    CHECK(bytes.size() == 4 || bytes.size() == 16);
    IpAddress out;
    if (bytes.size() == 16 && std::memcmp(bytes.data(), mapped_prefix, sizeof mapped_prefix) == 0)
        bytes = bytes.subspan(12);
    out.v4_ = bytes.size() == 4;
    std::memcpy(out.bytes_, bytes.data(), bytes.size());
    return out;
}

bool IpAddress::is_loopback() const {
    if (v4_) return bytes_[0] == 127;
    static constexpr std::uint8_t one[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    return std::memcmp(bytes_, one, sizeof one) == 0;
}

std::string IpAddress::text() const {
    char out[INET6_ADDRSTRLEN];
    ::inet_ntop(v4_ ? AF_INET : AF_INET6, bytes_, out, sizeof out);
    return out;
}

std::string IpAddress::literal() const { return v4_ ? text() : "IPv6:" + text(); }

std::string IpAddress::reversed() const {
    std::string out;
    for (const auto octet : bytes() | std::views::reverse) {
        if (!out.empty()) out += '.';
        out += v4_ ? fmt::format("{}", octet) : fmt::format("{:x}.{:x}", octet & 15, octet >> 4);
    }
    return out;
}

std::string IpAddress::pointer_name() const { return reversed() + (v4_ ? ".in-addr.arpa" : ".ip6.arpa"); }

bool IpAddress::in_network(const IpAddress& network, unsigned prefix) const {
    if (v4_ != network.v4_ || prefix > (v4_ ? 32U : 128U)) return false;
    const unsigned whole = prefix / 8;
    if (std::memcmp(bytes_, network.bytes_, whole) != 0) return false;
    if (prefix % 8 == 0) return true;
    const auto mask = static_cast<std::uint8_t>(0xff << (8 - prefix % 8));
    return (bytes_[whole] & mask) == (network.bytes_[whole] & mask);
}

std::string Endpoint::text() const {
    if (is_unix()) return "unix:" + unix_path;
    return (address.is_v4() ? address.text() : "[" + address.text() + "]") + ":" + std::to_string(port);
}

std::string_view to_text(IoError error) {
    switch (error) {
        case IoError::Closed:
            return "connection closed";
        case IoError::Reset:
            return "connection reset by the other side";
        case IoError::TimedOut:
            return "timed out";
        case IoError::Refused:
            return "connection refused";
        case IoError::Unreachable:
            return "network or host unreachable";
        case IoError::TlsFailed:
            return "TLS failed";
        case IoError::PermissionDenied:
            return "permission denied";
        case IoError::AddressInUse:
            return "address already in use";
        case IoError::AddressNotAvailable:
            return "this machine has no such address";
        case IoError::Other:
            return "input/output error";
    }
    return "";
}

std::string_view to_text(FileError error) {
    switch (error) {
        case FileError::NotFound:
            return "no such file or directory";
        case FileError::Exists:
            return "file exists";
        case FileError::NoSpace:
            return "no space left on device";
        case FileError::QuotaExceeded:
            return "disk quota exceeded";
        case FileError::PermissionDenied:
            return "permission denied";
        case FileError::NotDirectory:
            return "not a directory";
        case FileError::IsDirectory:
            return "is a directory";
        case FileError::TooLarge:
            return "file too large";
        case FileError::Locked:
            return "locked by another process";
        case FileError::Loop:
            return "is a symbolic link";
        case FileError::Io:
            return "input/output error";
    }
    return "";
}

std::string handshake_text(const TlsInfo& info) {
    std::string out;
    const auto add = [&](std::string_view what, const std::string& text) {
        if (text.empty()) return;
        if (!out.empty()) out += ' ';
        out += what;
        out += ' ';
        out += text;
    };
    add("key-exchange", info.key_exchange);
    add("server-signature", info.server_signature);
    add("client-signature", info.client_signature);
    return out;
}

}  // namespace env
