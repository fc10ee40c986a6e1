// The server side of SASL (RFC 4422): one object for one exchange. Octets in, and what to do next out: send a
// challenge, have a password or a token checked, look up a verifier. Who may log in is decided elsewhere.
#pragma once

#include "sasl/channel_binding.hpp"
#include "sasl/scram.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sasl {

struct ServerStep {
    enum class Kind {
        Challenge,      // send `challenge`, await a response
        CheckPassword,  // of `user`: right or wrong
        CheckToken,     // `password` is a bearer token; `user`, when not empty, is whose it should be
        LookUp,         // the SCRAM verifier of `user`: on_verifier()
        Accepted,       // `user` is who they say; `authorize_as` is whom they want to be
        Malformed,      // the client broke the mechanism's grammar
        Refused,        // wrong password or unknown user: the two look the same
        RefusedBefore   // the client has acknowledged a refusal: on_token_refused()
    } kind = Kind::Malformed;
    std::string challenge;
    std::string user, password, authorize_as;
    ScramHash hash = ScramHash::Sha256;
    std::string why;  // of Refused, for the log
};

enum class TokenProblem { InvalidToken, InsufficientScope };  // RFC 6750 §3.1

/// What a mechanism is given for one exchange.
struct ServerSetup {
    std::string nonce;  // printable, fresh
    /// A secret of the server from which unknown users' salts are made, so that they look as known ones.
    std::string decoy;
    ChannelBindings bindings;     // not empty: the -PLUS mechanisms are offered on this connection
    std::string bearer_scope;     // told to clients whose token was refused (RFC 7628 §3.2.2); may be empty
    std::string bearer_metadata;  // the same: where the authorization server describes itself
};

class ServerMechanism {
 public:
    virtual ~ServerMechanism() = default;
    virtual std::string_view name() const = 0;
    /// `initial`: the response that came with the command.
    virtual ServerStep start(std::optional<std::string> initial) = 0;
    virtual ServerStep on_response(std::string_view response) = 0;
    /// nullopt: there is no such user (the exchange goes on as if, with a verifier of `shape`, and fails at
    /// its end).
    virtual ServerStep on_verifier(std::optional<ScramVerifier> verifier, ScramShape shape) {
        static_cast<void>(verifier);
        static_cast<void>(shape);
        return {};
    }
    /// The token of CheckToken is not good.
    virtual ServerStep on_token_refused(TokenProblem problem) {
        static_cast<void>(problem);
        return {};
    }
};

/// nullptr: not a mechanism we know.
std::unique_ptr<ServerMechanism> make_server(std::string_view name, ServerSetup setup);
/// All names make_server() knows, best first.
std::vector<std::string> server_mechanisms();
bool is_bound(std::string_view mechanism);   // its name ends in -PLUS
bool is_bearer(std::string_view mechanism);  // what it carries is a token

}  // namespace sasl
