// One network loop's side of the server: tables, routing, judges, listeners. Built from a Site; a reload
// builds the services anew and hands them to the listeners. Knows only env/: the simulator builds the same
// thing.
#pragma once

#include "accounts/pam_authenticator.hpp"
#include "app/options.hpp"
#include "app/site.hpp"
#include "env/http.hpp"
#include "env/programs.hpp"
#include "env/random.hpp"
#include "env/workers.hpp"
#include "policy/restriction_judge.hpp"
#include "queue/store_intake.hpp"
#include "routing/routing.hpp"
#include "server/smtp_listener.hpp"

#include <array>
#include <map>
#include <memory>

namespace app {

/// What a loop gives to what runs on it.
struct LoopEnvironment {
    env::Loop& loop;
    env::Network& network;
    env::Tls& tls;
    env::Resolver* resolver;
    env::Store& store;
    env::Random& random;
    env::Workers& workers;
    env::FileSystem& files;
    env::UserDatabase& users;
    base::EventSink& events;
    env::Http* http = nullptr;            // nullptr: no web service can be asked
    accounts::PamService* pam = nullptr;  // nullptr: PAM cannot be asked
    std::string login_secret{};           // the same on every loop and after a restart; empty: one is made up
    env::Programs* programs = nullptr;    // nullptr: none may be run
};

/// Everything made from one configuration for one loop; lives as long as a connection uses it.
struct FrontGeneration {
    std::unique_ptr<tables::Factory> factory;
    std::unique_ptr<routing::Routing> routing;
    std::set<env::IpAddress> own_addresses;
    std::map<std::string, std::shared_ptr<const server::SmtpService>> services;  // by master.cf name
};

/// Error: what the administrator must mend.
std::expected<std::shared_ptr<FrontGeneration>, std::string> build_front(
    const Site& site, LoopEnvironment environment, const std::set<env::IpAddress>& own_addresses);

/// What the loops' fronts tell the queue's loop. Each may be empty.
struct FrontNews {
    policy::SightingSink sighted{};
    std::function<void(std::string, std::string)> conspicuous{};  // server::SmtpServices
    std::function<void(queue::SessionReport)> report{};
    std::function<void(std::string)> flush_site{};
};

class Front {
 public:
    Front(LoopEnvironment environment, queue::QueueIdSource ids, queue::IntakeOptions intake,
          std::function<void(queue::Arrival)> announce, server::ClientLimits& limits,
          accounts::Throttle& throttle, policy::AccountLimits& accounts, server::ConnectionCount& count,
          FrontNews news);
    /// A service's listener; `service` must be in the generation.
    void add_listener(const std::string& service, std::unique_ptr<env::Listener> listener);
    void use(std::shared_ptr<FrontGeneration> generation);
    void stop();
    std::size_t connections() const;

 private:
    LoopEnvironment environment_;
    queue::StoreIntake intake_;
    server::ClientLimits& limits_;
    accounts::Throttle& throttle_;
    policy::AccountLimits& accounts_;
    server::ConnectionCount& count_;
    FrontNews news_;
    std::array<char, 65536> scratch_;
    std::vector<std::shared_ptr<FrontGeneration>>
        generations_;  // the last is in force; older ones serve old connections
    std::vector<std::pair<std::string, std::unique_ptr<server::SmtpListener>>> listeners_;
};

}  // namespace app
