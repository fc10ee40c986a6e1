// SCRAM's client side (RFC 5802 §3). For client.cpp.
#pragma once

#include "sasl/client.hpp"
#include "sasl/scram_server.hpp"

namespace sasl {

/// What is said about channel bindings: n (we have none, or did not want to), y (we have, the server offers
/// none), p (bound).
struct ScramBinding {
    Gs2Header::Flag flag = Gs2Header::Flag::None;
    std::string type, octets;  // of p
};

std::unique_ptr<ClientMechanism> make_scram_client(ScramHash hash, const Credentials& credentials,
                                                   std::string nonce, ScramBinding binding);

}  // namespace sasl
