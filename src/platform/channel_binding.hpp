// Channel bindings of a TLS connection (RFC 5056, RFC 5929, RFC 9266): octets that both ends compute from
// their own side of the handshake and that a go-between cannot make equal. For openssl_tls.cpp; handshake
// done.
#pragma once

#include <openssl/ssl.h>
#include <string>
#include <string_view>

namespace platform {

/// "tls-exporter", "tls-server-end-point" or "tls-unique". Empty: an unknown type, or one this connection
/// does not have: tls-unique needs TLS 1.2, and with TLS 1.2 both it and tls-exporter need the extended
/// master secret (RFC 7627), without which two connections can be given the same.
std::string channel_binding(SSL* ssl, std::string_view type);

}  // namespace platform
