// How clients of a service log in: the back end that knows the passwords, the judge of tokens, and what is
// offered with and without TLS. Built from the configuration for one loop.
#pragma once

#include "accounts/authenticator.hpp"
#include "app/front.hpp"
#include "app/login_options.hpp"
#include "config/configuration.hpp"

#include <expected>
#include <memory>
#include <string>

namespace app {

struct LoginService {
    std::shared_ptr<accounts::Authenticator> authenticator;  // nullptr: no AUTH
    std::shared_ptr<accounts::TokenValidator> tokens;        // nullptr: no tokens
    std::shared_ptr<const smtp::AuthOffer> offer, loopback_offer;
};

/// Error: what the administrator must mend.
std::expected<LoginService, std::string> make_login(const config::Configuration& configuration,
                                                    const AuthOptions& options, smtp::TlsOffer tls,
                                                    LoopEnvironment environment);

}  // namespace app
