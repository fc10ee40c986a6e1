// PAM asked through the delivery helper, which has root's power and forks for each job. One for each loop.
#pragma once

#include "accounts/pam_authenticator.hpp"
#include "app/helper_channel.hpp"

namespace app {

class HelperPam : public accounts::PamService {
 public:
    HelperPam(env::Loop& loop, platform::AsioNetwork& network, HelperChannel channel)
        : loop_(loop), network_(network), channel_(channel) {}
    env::Task<accounts::LoginAnswer> ask(accounts::PamQuestion question) override;

 private:
    env::Loop& loop_;
    platform::AsioNetwork& network_;
    HelperChannel channel_;
};

}  // namespace app
