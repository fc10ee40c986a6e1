// What is to be said of a finished TLS handshake: protocol, cipher, key exchange, signatures, the peer's
// certificate. The words are Postfix's (Received: and the log).
#pragma once

#include "env/network.hpp"

#include <openssl/ssl.h>

namespace platform {

/// `digest`: of the fingerprints of the peer's certificate and key.
void describe_connection(SSL* ssl, const EVP_MD* digest, env::TlsInfo& out);

}  // namespace platform
