// Logins checked by PAM (smtpd_sasl_type = pam). PAM's modules may block, need root and crash: they run in a
// process of their own, which is behind PamService. Belongs to one loop.
#pragma once

#include "accounts/authenticator.hpp"
#include "env/clock.hpp"

#include <chrono>

namespace accounts {

struct PamQuestion {
    std::string service;  // a file's name in /etc/pam.d
    std::string user, password;
    std::string address;  // PAM_RHOST
    std::chrono::seconds time_limit{20};
};

class PamService {
 public:
    virtual ~PamService() = default;
    /// Right, Wrong or Unknown; `user` when Right is the name PAM ended with.
    virtual env::Task<LoginAnswer> ask(PamQuestion question) = 0;
};

/// A name that can be a file in /etc/pam.d.
bool is_pam_service_name(std::string_view name);

class PamAuthenticator : public VerdictAuthenticator {
 public:
    struct Settings {
        std::string service;
        std::chrono::seconds time_limit{20};
        std::uint32_t concurrency_max = 20;  // of this loop; more are told to come back
    };
    /// `pam`: nullptr: nobody can be asked (postrider check).
    PamAuthenticator(Settings settings, PamService* pam) : settings_(std::move(settings)), pam_(pam) {}
    env::Task<LoginAnswer> check(std::string user, std::string password, LoginClient client) override;

 private:
    Settings settings_;
    PamService* pam_;
    std::uint32_t under_way_ = 0;
};

}  // namespace accounts
