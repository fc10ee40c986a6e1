// Logins checked by Dovecot over its auth socket (smtpd_sasl_type = dovecot). Dovecot's authentication
// protocol, version 1.1, with mechanism PLAIN: one short connection for each login.
#pragma once

#include "accounts/authenticator.hpp"
#include "env/loop.hpp"
#include "env/network.hpp"
#include "env/random.hpp"

namespace accounts {

class DovecotAuthenticator : public VerdictAuthenticator {
 public:
    struct Services {
        env::Network& network;
        env::Loop& loop;
        env::Random& random;
    };
    /// `service`: what Dovecot is told is asking (smtpd_sasl_service).
    DovecotAuthenticator(Services services, env::Endpoint socket, std::string service)
        : services_(services), socket_(std::move(socket)), service_(std::move(service)) {}
    env::Task<LoginAnswer> check(std::string user, std::string password, LoginClient client) override;

 private:
    Services services_;
    env::Endpoint socket_;
    std::string service_;
};

}  // namespace accounts
