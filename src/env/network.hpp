// Byte streams and listeners. A Stream belongs to the loop that made it; one read and one write may run at a
// time. Deadlines are part of each call: what cannot be waited for without end cannot hang.
#pragma once

#include "env/clock.hpp"
#include "env/task.hpp"

#include <compare>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

namespace env {

/// An IP address (network byte order, 4 or 16 octets). IPv4-mapped IPv6 addresses are stored as IPv4.
class IpAddress {
 public:
    IpAddress() = default;  // 0.0.0.0
    /// Dotted quad or RFC 4291 text, no brackets, no zone, no prefix.
    static std::expected<IpAddress, std::monostate> parse(std::string_view text);
    /// 4 or 16 octets; CHECK on other sizes.
    static IpAddress from_bytes(std::span<const std::uint8_t> bytes);
    bool is_v4() const { return v4_; }
    bool is_loopback() const;
    std::span<const std::uint8_t> bytes() const { return {bytes_, v4_ ? 4U : 16U}; }
    /// Dotted quad, or RFC 5952 text.
    std::string text() const;
    /// As in an SMTP address literal without brackets: "1.2.3.4" or "IPv6:2001:db8::1" (RFC 5321 §4.1.3).
    std::string literal() const;
    /// The octets (IPv4) or nibbles (IPv6) from last to first with dots between, as DNS lists are asked
    /// (RFC 5782 §2.1, §2.4): "1.2.0.192".
    std::string reversed() const;
    /// Where its PTR record stands: reversed() below in-addr.arpa (RFC 1035 §3.5) or ip6.arpa (RFC 3596
    /// §2.5).
    std::string pointer_name() const;
    /// True when the first `prefix` bits equal those of `network` and the families match.
    bool in_network(const IpAddress& network, unsigned prefix) const;
    auto operator<=>(const IpAddress&) const = default;

 private:
    bool v4_ = true;
    std::uint8_t bytes_[16] = {};
};

/// A TCP address or a path of a Unix-domain socket.
struct Endpoint {
    IpAddress address;
    std::uint16_t port = 0;
    std::string unix_path;  // not empty: a Unix-domain socket; address and port mean nothing
    bool is_unix() const { return !unix_path.empty(); }
    /// "1.2.3.4:25", "[2001:db8::1]:25", "unix:/run/x".
    std::string text() const;
    auto operator<=>(const Endpoint&) const = default;
};

enum class IoError {
    Closed,
    Reset,
    TimedOut,
    Refused,
    Unreachable,
    TlsFailed,
    PermissionDenied,
    AddressInUse,
    AddressNotAvailable,
    Other
};
std::string_view to_text(IoError error);

struct TlsInfo {
    std::string protocol;  // "TLSv1.3"
    std::string cipher;    // "TLS_AES_256_GCM_SHA384"
    int cipher_bits = 0;
    int algorithm_bits = 0;
    std::string server_name;             // SNI, as the client sent it
    std::string peer_subject;            // of a client certificate; empty: none
    std::string peer_name, peer_issuer;  // common names of the peer's certificate and of who signed it
    /// Of the peer's certificate and of its public key, "AB:CD:…"; empty: no peer certificate. SHA-256, on a
    /// server as its settings say.
    std::string peer_fingerprint, peer_key_fingerprint;
    std::string peer_problem;  // why the peer's certificate does not verify; empty: it does, or there is none
    std::string key_exchange;  // "X25519", "ECDHE (prime256v1)"; empty: unknown
    std::string server_signature;  // "RSA-PSS (2048 bits) server-digest SHA256"; empty: unknown
    std::string client_signature;  // "ECDSA (prime256v1) client-digest SHA256"; empty: none
    std::string alpn;
    bool resumed = false;  // an earlier session was taken up again
};

/// "key-exchange X25519 server-signature …" with what is known; "": nothing.
std::string handshake_text(const TlsInfo& info);

class Stream {
 public:
    virtual ~Stream() = default;
    /// At least one octet, up to into.size(). 0 octets: the peer ended its side (EOF).
    virtual Task<std::expected<std::size_t, IoError>> read_some(std::span<char> into,
                                                                SteadyTime deadline) = 0;
    /// All of `bytes`, which must stay valid until the task is done.
    virtual Task<std::expected<void, IoError>> write(std::string_view bytes, SteadyTime deadline) = 0;
    /// Suspends until bytes may be read (also EOF or an error), without holding a buffer meanwhile.
    virtual Task<std::expected<void, IoError>> wait_readable(SteadyTime deadline) = 0;
    /// Graceful end: for TLS, a close_notify is sent; then the write side is shut down.
    virtual Task<void> shutdown(SteadyTime deadline) = 0;
    /// Immediate end; pending reads and writes finish with Closed.
    virtual void close() = 0;
    virtual Endpoint local() const = 0;
    virtual Endpoint peer() const = 0;
    /// nullptr on a plain stream.
    virtual const TlsInfo* tls() const { return nullptr; }
    /// What binds a login to this TLS connection (RFC 5056): "tls-exporter" (RFC 9266),
    /// "tls-server-end-point" or, with TLS 1.2, "tls-unique" (RFC 5929). Octets; empty: not to be had here.
    virtual std::string channel_binding(std::string_view type) const {
        static_cast<void>(type);
        return {};
    }
    /// The certificates the other side showed, in PEM, its own first; empty: none.
    virtual std::string peer_chain_pem() const { return {}; }
};

class Listener {
 public:
    virtual ~Listener() = default;
    virtual Task<std::expected<std::unique_ptr<Stream>, IoError>> accept() = 0;
    virtual void close() = 0;
    virtual Endpoint local() const = 0;
};

struct ConnectOptions {
    std::optional<IpAddress> bind_address;
};

class Network {
 public:
    virtual ~Network() = default;
    /// With SO_REUSEPORT, so that each loop has its own. Port 0 picks a free one (see Listener::local()).
    virtual std::expected<std::unique_ptr<Listener>, IoError> listen(const Endpoint& at) = 0;
    virtual Task<std::expected<std::unique_ptr<Stream>, IoError>> connect(Endpoint to, ConnectOptions options,
                                                                          SteadyTime deadline) = 0;
};

}  // namespace env
