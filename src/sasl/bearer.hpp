// Bearer tokens in SASL, as the server sees them: OAUTHBEARER (RFC 7628) and its older form XOAUTH2. Pure.
#pragma once

#include "sasl/server.hpp"

namespace sasl {

struct BearerMessage {
    std::string user;   // whom the client wants to be; empty: whom the token names
    std::string token;  // empty: the client asks where to get one (RFC 7628 §4.3)
};

/// "n,a=USER,^Ahost=…^Aport=…^Aauth=Bearer TOKEN^A^A" (RFC 7628 §3.1). nullopt: malformed.
std::optional<BearerMessage> parse_oauthbearer(std::string_view message);
/// "user=USER^Aauth=Bearer TOKEN^A^A".
std::optional<BearerMessage> parse_xoauth2(std::string_view message);

enum class BearerForm { Oauthbearer, Xoauth2 };
std::unique_ptr<ServerMechanism> make_bearer_server(BearerForm form, ServerSetup setup);

}  // namespace sasl
