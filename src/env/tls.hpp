// TLS as a decorator: a Stream over a Stream, so STARTTLS is one call. Contexts are immutable once made and
// may be shared by loops; a new certificate is a new context.
#pragma once

#include "env/network.hpp"

#include <chrono>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace env {

struct TlsCertificate {
    std::string chain_pem;  // leaf first
    std::string key_pem;
};

/// Protocols and ciphers in Postfix's notations (">=TLSv1.2", "!SSLv2, !SSLv3"; grade "medium", "high").
struct TlsProtocols {
    std::string protocols = ">=TLSv1.2";
    std::string grade = "medium";
    std::string cipher_list;      // OpenSSL list of the grade; empty: built in
    std::string exclude_ciphers;  // comma/space separated
};

struct TlsServerSettings {
    std::vector<TlsCertificate> certificates;  // RSA and ECDSA side by side
    /// Host name or ".domain" to its certificates; the same name may stand more than once (RSA, ECDSA).
    std::vector<std::pair<std::string, TlsCertificate>> sni;
    TlsProtocols protocols;
    bool prefer_server_ciphers = false;
    enum class ClientCertificate { No, Ask, Require } client_certificate = ClientCertificate::No;
    std::string ca_pem;   // for client certificates
    std::string ca_path;  // a hashed directory of the same
    int client_chain_depth_max = 9;
    std::string fingerprint_digest = "sha256";    // of client certificates: OpenSSL's name
    std::chrono::seconds session_lifetime{3600};  // of tickets; 0: none are given
    /// Not empty: a client that names protocols (RFC 7301) must name one of these; its first of them is
    /// taken.
    std::vector<std::string> alpn;
};

struct TlsClientSettings {
    TlsProtocols protocols;
    std::string server_name;  // SNI; empty: none
    bool verify = false;      // chain to `ca_pem` and one of `match_names`
    std::vector<std::string> match_names;
    std::string ca_pem;
    std::string ca_path;                       // hashed directory
    std::vector<TlsCertificate> certificates;  // one of each kind of key; the server's wishes choose
    /// Whom sessions may be resumed with, and only under these same settings; empty: never.
    std::string session_peer;
    std::chrono::seconds session_lifetime{3600};
};

class TlsServerContext {
 public:
    virtual ~TlsServerContext() = default;
};

class Tls {
 public:
    virtual ~Tls() = default;
    /// Error: a sentence for the administrator (bad PEM, key mismatch, unknown protocol …).
    virtual std::expected<std::shared_ptr<const TlsServerContext>, std::string> make_server_context(
        const TlsServerSettings& settings) = 0;
    /// `plain` must hold no unread bytes of ours: what was pipelined before the handshake is gone already.
    virtual Task<std::expected<std::unique_ptr<Stream>, std::string>> accept(
        std::unique_ptr<Stream> plain, std::shared_ptr<const TlsServerContext> context,
        SteadyTime deadline) = 0;
    virtual Task<std::expected<std::unique_ptr<Stream>, std::string>> connect(std::unique_ptr<Stream> plain,
                                                                              TlsClientSettings settings,
                                                                              SteadyTime deadline) = 0;
};

}  // namespace env
