// The server side of SASL (RFC 4422): one object for one exchange. Octets in, and what to do next out: send a
// challenge, have a password checked, look up a verifier. Who may log in is decided elsewhere.
#pragma once

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
        CheckPassword,  // of `user`: on_password()
        LookUp,         // the SCRAM verifier of `user`: on_verifier()
        Accepted,       // `user` is who they say; `authorize_as` is whom they want to be
        Malformed,      // the client broke the mechanism's grammar
        Refused         // wrong password or unknown user: the two look the same
    } kind = Kind::Malformed;
    std::string challenge;
    std::string user, password, authorize_as;
    ScramHash hash = ScramHash::Sha256;
};

class ServerMechanism {
 public:
    virtual ~ServerMechanism() = default;
    virtual std::string_view name() const = 0;
    /// `initial`: the response that came with the command.
    virtual ServerStep start(std::optional<std::string> initial) = 0;
    virtual ServerStep on_response(std::string_view response) = 0;
    /// nullopt: there is no such user (the exchange goes on, and fails at its end).
    virtual ServerStep on_verifier(std::optional<ScramVerifier> verifier) {
        static_cast<void>(verifier);
        return {};
    }
};

/// `nonce`: printable, fresh. `decoy`: a secret of the server from which unknown users' salts are made, so
/// that they look as known ones. nullptr: not a mechanism we know.
std::unique_ptr<ServerMechanism> make_server(std::string_view name, std::string nonce, std::string decoy);
/// All names make_server() knows.
std::vector<std::string> server_mechanisms();

}  // namespace sasl
