// Logins checked by Dovecot over its auth socket (smtpd_sasl_type = dovecot). Dovecot's authentication
// protocol, version 1.1, with mechanism PLAIN: one short connection for each login.
#pragma once

#include "accounts/authenticator.hpp"
#include "env/loop.hpp"
#include "env/network.hpp"

namespace accounts {

class DovecotAuthenticator : public Authenticator {
 public:
    DovecotAuthenticator(env::Network& network, env::Loop& loop, env::Endpoint socket)
        : network_(network), loop_(loop), socket_(std::move(socket)) {}
    env::Task<LoginAnswer> check(std::string user, std::string password, LoginClient client) override;
    env::Task<std::optional<sasl::ScramVerifier>> verifier(std::string user, sasl::ScramHash hash) override;
    std::vector<std::string> mechanisms() const override { return {"PLAIN", "LOGIN"}; }

 private:
    env::Network& network_;
    env::Loop& loop_;
    env::Endpoint socket_;
};

}  // namespace accounts
