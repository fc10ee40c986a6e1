// Certificates from ACME in the running server: looks when one is due, obtains it, keeps it, tells the server
// to take it into use, and says what went wrong. A failure leaves the old certificate in place. Belongs to
// the queue's loop; slow work and files are on the workers.
#pragma once

#include "acme/certificate_folder.hpp"
#include "acme/challenge_server.hpp"
#include "acme/client.hpp"
#include "acme/options.hpp"
#include "app/front.hpp"
#include "env/http.hpp"
#include "server/control_server.hpp"

#include <functional>
#include <map>

namespace app {

class AcmeDesk {
 public:
    /// `obtained`: a certificate file has changed.
    AcmeDesk(LoopEnvironment environment, env::Http& http, std::function<void()> obtained);
    /// Before start(), and for each reload. Error: what the administrator must mend.
    std::expected<void, std::string> use(const Site& site);
    void start();
    void stop();
    void serve(acme::ChallengeType type, std::unique_ptr<env::Listener> listener);
    void add_control_handlers(server::ControlServer& control);
    /// What keeps failing, for status and log.
    std::vector<std::string> problems();

 private:
    env::Task<void> run();
    env::Task<std::string> attempt(acme::Wanted wanted);
    env::Task<std::expected<void, acme::OrderFailure>> order(acme::Wanted wanted);
    env::Task<std::string> renew(std::string which, server::ControlReply& reply);
    /// The wait until `wanted` is due; zero: now.
    std::chrono::seconds wait_for(const acme::Wanted& wanted);
    acme::CertificateFolder folder() { return {environment_.files, options_.folder}; }
    double dice();

    LoopEnvironment environment_;
    env::Http& http_;
    std::function<void()> obtained_;
    acme::Options options_;
    std::vector<acme::Wanted> wanted_;
    acme::ChallengeServer challenges_;
    bool listens_http_ = false, listens_tls_ = false;
    std::map<std::string, double> dice_;  // by certificate: the same at every look
    std::unique_ptr<env::Timer> timer_;
    bool busy_ = false, stopped_ = false;
};

}  // namespace app
