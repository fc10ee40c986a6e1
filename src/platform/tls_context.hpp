// What an SSL_CTX is made of on either side: protocol versions and ciphers in Postfix's notations, a
// certificate with its key, authorities. For openssl_tls.cpp.
#pragma once

#include "env/tls.hpp"

#include <expected>
#include <memory>
#include <openssl/ssl.h>
#include <string>

namespace platform {

using TlsContext = std::shared_ptr<SSL_CTX>;

std::expected<TlsContext, std::string> new_context(const SSL_METHOD* method, const env::TlsProtocols& wanted);
std::expected<void, std::string> use_certificate(SSL_CTX* context, const env::TlsCertificate& certificate);
/// What the other side's certificate may be signed by.
std::expected<void, std::string> trust(SSL_CTX* context, const std::string& ca_pem,
                                       const std::string& ca_path);
/// What a client may choose its certificate by.
void send_authority_names(SSL_CTX* context, const std::string& ca_pem);

/// OpenSSL's oldest error, in its words; the others are forgotten.
std::string last_tls_error();

}  // namespace platform
