// The client side of SASL (RFC 4422): what we say to a relay host. A mechanism is one exchange; challenges
// and responses are octets (the protocol encodes them).
#pragma once

#include "sasl/channel_binding.hpp"

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sasl {

struct Credentials {
    std::string user;
    std::string password;  // of XOAUTH2 and OAUTHBEARER: the access token
};

class ClientMechanism {
 public:
    virtual ~ClientMechanism() = default;
    virtual std::string_view name() const = 0;
    /// The response sent with the first command; nullopt: the server speaks first.
    virtual std::optional<std::string> initial() = 0;
    /// The answer to a challenge. Error: the server is not who it should be, or speaks nonsense: break off.
    virtual std::expected<std::string, std::string> respond(std::string_view challenge) = 0;
    /// Whether the server has proved what the mechanism asks of it, when it says success.
    virtual bool satisfied() const { return true; }
};

/// What may be used (Postfix's smtp_sasl_security_options and smtp_sasl_mechanism_filter).
struct MechanismRules {
    bool plaintext = false;         // PLAIN, LOGIN and tokens: only over TLS
    std::vector<std::string> only;  // empty: all; "!NAME" excludes
    std::string nonce;              // of this exchange, printable, for SCRAM
    std::string host;               // for OAUTHBEARER
    std::uint16_t port = 0;
    ChannelBindings
        bindings{};  // of this connection: the -PLUS mechanisms are used where both sides have them
};

/// The best mechanism of those the server offers; nullptr: none may be used.
std::unique_ptr<ClientMechanism> choose(const std::vector<std::string>& offered,
                                        const Credentials& credentials, const MechanismRules& rules);

}  // namespace sasl
