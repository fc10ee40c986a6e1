// The running server: its loops, what each of them does, and how they start, take a new configuration and
// stop. Everything it is made of is built here, top to bottom. One object a process; made when the ports are
// bound and root is given up.
#pragma once

#include "app/account_desk.hpp"
#include "app/acme_desk.hpp"
#include "app/back.hpp"
#include "app/helper_agent.hpp"
#include "app/helper_pam.hpp"
#include "app/listeners.hpp"
#include "app/machine.hpp"
#include "app/report_desk.hpp"
#include "delivery/in_process_agent.hpp"
#include "platform/asio_loop.hpp"
#include "platform/asio_network.hpp"
#include "platform/curl_http.hpp"
#include "platform/log_writer.hpp"
#include "platform/openssl_tls.hpp"
#include "platform/posix_programs.hpp"
#include "platform/rocks_store.hpp"
#include "platform/system.hpp"
#include "platform/unbound_resolver.hpp"
#include "server/pickup.hpp"

#include <thread>

namespace app {

/// One thread's world.
struct LoopWorld {
    LoopWorld(env::Clock& clock, std::shared_ptr<platform::RocksDatabase> database,
              platform::ThreadPool& pool, platform::UnboundService& dns,
              std::shared_ptr<platform::TicketKeys> tickets, HelperChannel helper)
        : loop(clock),
          network(loop),
          tls(std::move(tickets)),
          resolver(dns, loop),
          store(std::move(database), loop),
          workers(pool, loop),
          http(workers),
          pam(loop, network, helper),
          programs(workers) {}
    platform::AsioLoop loop;
    platform::AsioNetwork network;
    platform::OpenSslTls tls;
    platform::UnboundResolver resolver;
    platform::RocksStore store;
    platform::SystemRandom random;
    platform::PoolWorkers workers;
    platform::CurlHttp http;
    HelperPam pam;
    platform::PosixPrograms programs;
    std::thread thread;
};

class RunningServer {
 public:
    RunningServer(std::shared_ptr<const Site> site, ProgramOptions options,
                  std::vector<BoundListener> listeners, ChallengeListeners challenges, int control,
                  int pickup, HelperChannel helper, std::size_t loops)
        : site_(std::move(site)),
          options_(std::move(options)),
          listeners_(std::move(listeners)),
          challenge_listeners_(std::move(challenges)),
          control_descriptor_(control),
          pickup_descriptor_(pickup),
          helper_(helper),
          loop_count_(loops),
          files_(helper) {}
    /// Until a signal ends it. What kept it from starting; "": nothing did.
    std::string run();

 private:
    LoopEnvironment environment(LoopWorld& world) {
        return {world.loop,   world.network, world.tls,     &world.resolver, world.store,
                world.random, world.workers, files_,        users_,          *log_,
                &world.http,  &world.pam,    login_secret_, &world.programs};
    }
    std::string start();
    std::string build();
    std::unique_ptr<Front> make_front(LoopWorld& world, queue::QueueIdSource ids,
                                      const queue::IntakeOptions& intake);
    void arrived(queue::Arrival arrival);
    void start_control();
    void start_pickup(std::uint64_t message_size_limit);
    std::shared_ptr<const policy::ContentRules> content_rules(const Site& site);
    void reload();
    void stop();
    env::Task<void> feed_watchdog();
    env::Task<void> watch_certificates();
    env::Task<void> look_at_published_keys();
    template <class F>
    void on_each_front(F work);
    void run_once(LoopWorld& world, env::Task<void> task);

    std::shared_ptr<const Site> site_;
    std::shared_ptr<const Site> watched_site_;  // the queue loop's own
    ProgramOptions options_;
    std::vector<BoundListener> listeners_;
    ChallengeListeners challenge_listeners_;
    int control_descriptor_;
    int pickup_descriptor_;
    HelperChannel helper_;
    std::size_t loop_count_;
    platform::SystemClock clock_;
    HelperFiles files_;
    platform::PosixUsers users_;
    std::unique_ptr<platform::LogWriter> log_;
    platform::SystemRandom random_;
    std::shared_ptr<platform::TicketKeys> tickets_ = std::make_shared<platform::TicketKeys>(clock_, random_);
    std::unique_ptr<platform::ThreadPool> pool_;
    std::shared_ptr<platform::RocksDatabase> database_;
    std::unique_ptr<platform::UnboundService> dns_;
    std::vector<std::unique_ptr<LoopWorld>> fronts_world_;
    std::unique_ptr<LoopWorld> back_world_;
    server::ClientLimits limits_;
    accounts::Throttle throttle_;
    std::string login_secret_;
    policy::AccountLimits account_limits_;
    server::ConnectionCount count_;
    std::unique_ptr<delivery::InProcessAgent> own_agent_;
    std::unique_ptr<HelperAgent> agent_;
    std::vector<std::unique_ptr<Front>> fronts_;
    std::unique_ptr<Back> back_;
    std::unique_ptr<ReportDesk> reports_;
    std::unique_ptr<AccountDesk> accounts_;
    std::unique_ptr<AcmeDesk> acme_;
    std::vector<std::string> key_warnings_;          // the queue loop's: DKIM keys and the DNS
    std::unique_ptr<env::Timer> certificate_timer_;  // the queue loop's; cancelled: look at once
    std::unique_ptr<server::ControlServer> control_;
    std::unique_ptr<server::Pickup> pickup_;
    std::set<env::IpAddress> own_;
};

}  // namespace app
