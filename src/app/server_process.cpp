#include "app/server_process.hpp"

#include "app/account_desk.hpp"
#include "app/acme_desk.hpp"
#include "app/back.hpp"
#include "app/certificates.hpp"
#include "app/control.hpp"
#include "app/delivery_helper.hpp"
#include "app/helper_agent.hpp"
#include "app/helper_pam.hpp"
#include "app/listeners.hpp"
#include "app/login_secret.hpp"
#include "app/machine.hpp"
#include "app/report_desk.hpp"
#include "app/signing_key_watch.hpp"
#include "base/result.hpp"
#include "base/text.hpp"
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

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fmt/format.h>
#include <pwd.h>
#include <signal.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace app {
namespace {

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

int fail(const std::string& text) {
    std::fprintf(stderr, "postrider: fatal: %s\n", text.c_str());
    return 1;
}

// Folders the server needs, with the right owner when we are root.
std::expected<void, std::string> prepare_folder(const std::string& path, const std::string& owner,
                                                mode_t mode) {
    std::string so_far;
    for (const auto part : base::split(path, '/')) {
        so_far += (so_far.empty() ? "/" : so_far == "/" ? "" : "/") + std::string(part);
        if (part.empty()) continue;
        if (::mkdir(so_far.c_str(), so_far == path ? mode : 0755) != 0 && errno != EEXIST)
            return std::unexpected(fmt::format("cannot make {}: {}", so_far, std::strerror(errno)));
    }
    struct stat folder{};
    // The umask may have taken bits of a new folder's mode; a folder that is there keeps its own, unless it
    // must be open.
    if (::stat(path.c_str(), &folder) == 0 && (folder.st_mode & 07777 & mode) != mode)
        static_cast<void>(::chmod(path.c_str(), mode) + 0);
    if (::geteuid() != 0) return {};
    const passwd* entry = ::getpwnam(owner.c_str());
    if (!entry)
        return std::unexpected(fmt::format(
            "mail_owner = {}: no such user; create it (useradd -r {}) or name another", owner, owner));
    if (::chown(path.c_str(), entry->pw_uid, entry->pw_gid) != 0)
        return std::unexpected(fmt::format("cannot give {} to {}: {}", path, owner, std::strerror(errno)));
    return {};
}

platform::LogSettings log_settings(const ProgramOptions& options, const std::string& host_name) {
    platform::LogSettings out;
    out.host_name = host_name.substr(0, host_name.find('.'));
    out.syslog_name = options.syslog_name;
    out.json = options.log_json;
    if (options.log_file == "/dev/stdout")
        out.target = platform::LogSettings::Target::Stdout;
    else if (!options.log_file.empty()) {
        out.target = platform::LogSettings::Target::File;
        out.path = options.log_file;
    } else if (::access("/dev/log", W_OK) == 0 && ::isatty(STDOUT_FILENO) == 0)
        out.target = platform::LogSettings::Target::Syslog;
    return out;
}

/// The store's start count, so that queue ids never repeat.
env::Task<void> next_epoch(env::Store& store, std::uint64_t& epoch, bool& ok) {
    const std::string key(queue::epoch_key);
    auto old = co_await store.read(env::Keyspace::Meta, key);
    if (old && *old) epoch = base::parse_number(**old).value_or(0) + 1;
    env::Batch batch;
    batch.put(env::Keyspace::Meta, key, std::to_string(epoch));
    auto done = co_await store.commit(std::move(batch), env::Durability::Synced);
    ok = old && done;
}

class Server {
 public:
    Server(std::shared_ptr<const Site> site, ProgramOptions options, std::vector<BoundListener> listeners,
           ChallengeListeners challenges, int control, int pickup, HelperChannel helper, std::size_t loops)
        : site_(std::move(site)),
          options_(std::move(options)),
          listeners_(std::move(listeners)),
          challenge_listeners_(std::move(challenges)),
          control_descriptor_(control),
          pickup_descriptor_(pickup),
          helper_(helper),
          loop_count_(loops),
          files_(helper) {}
    int run();

 private:
    LoopEnvironment environment(LoopWorld& world) {
        return {world.loop,   world.network, world.tls,     &world.resolver, world.store,
                world.random, world.workers, files_,        users_,          *log_,
                &world.http,  &world.pam,    login_secret_, &world.programs};
    }
    std::string start();
    std::string build();
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

env::Task<void> finish_then(env::Task<void> task, platform::AsioLoop& loop) {
    co_await task;
    loop.stop();
}

void Server::run_once(LoopWorld& world, env::Task<void> task) {
    world.loop.spawn(finish_then(std::move(task), world.loop));
    world.loop.run();
    world.loop.restart();
}

env::Task<void> load_queue(queue::QueueManager& manager, std::string& problem) {
    auto loaded = co_await manager.load();
    if (!loaded) problem = loaded.error();
}

env::Task<void> load_reports(ReportDesk& desk, std::string& problem) {
    const bool loaded = co_await desk.load();
    if (!loaded) problem = "the queue's store cannot be read";
}

env::Task<void> load_accounts(AccountDesk& desk, std::string& problem) {
    const bool loaded = co_await desk.load();
    if (!loaded) problem = "the queue's store cannot be read";
}

std::string Server::build() {
    own_ = own_addresses();
    for (std::size_t i = 0; i < loop_count_; ++i) {
        auto generation = build_front(*site_, environment(*fronts_world_[i]), own_);
        if (!generation) return generation.error();
        fronts_[i]->use(std::move(*generation));
    }
    auto used = back_->use(*site_, own_);
    if (used) used = reports_->use(*site_);
    if (used) used = acme_->use(*site_);
    if (used) used = accounts_->use(*site_);
    return used ? "" : used.error();
}

std::string Server::start() {
    auto database = platform::RocksDatabase::open(options_.store_directory + "/store");
    if (!database) return database.error();
    database_ = std::move(*database);
    pool_ = std::make_unique<platform::ThreadPool>(options_.workers);
    config::Diagnostics ignored;
    const auto dns = config::bind<DnsOptions>(*site_->configuration, ignored);
    auto service = platform::UnboundService::start({dns.servers, dns.trust_anchor, dns.strict, dns.timeout});
    if (!service) return service.error();
    dns_ = std::move(*service);
    back_world_ = std::make_unique<LoopWorld>(clock_, database_, *pool_, *dns_, tickets_, helper_);
    for (std::size_t i = 0; i < loop_count_; ++i)
        fronts_world_.push_back(
            std::make_unique<LoopWorld>(clock_, database_, *pool_, *dns_, tickets_, helper_));
    std::uint64_t epoch = 0;
    bool epoch_ok = false;
    run_once(*back_world_, next_epoch(back_world_->store, epoch, epoch_ok));
    if (epoch_ok)
        run_once(*back_world_, read_login_secret(back_world_->store, random_, login_secret_, epoch_ok));
    if (!epoch_ok) return "the queue's store cannot be written";

    queue::IntakeOptions intake;
    intake.message_size_limit =
        config::bind<smtp::ServerOptions>(*site_->configuration, ignored).message_size_limit;
    intake.free_bytes_min = options_.queue_minfree;
    intake.reserve_octets = options_.store_reserve;
    const std::string host = site_->configuration->get("myhostname");
    own_agent_ =
        std::make_unique<delivery::InProcessAgent>(back_world_->loop, back_world_->workers, files_, host,
                                                   static_cast<std::uint64_t>(::getpid()), ::geteuid());
    agent_ = std::make_unique<HelperAgent>(back_world_->loop, back_world_->network, *own_agent_, ::geteuid(),
                                           helper_);
    back_ =
        std::make_unique<Back>(environment(*back_world_), *agent_, queue::QueueIdSource(epoch, 0), intake);
    certificate_timer_ = back_world_->loop.make_timer();
    acme_ = std::make_unique<AcmeDesk>(environment(*back_world_), back_world_->http,
                                       [this] { certificate_timer_->cancel(); });
    for (const int descriptor : challenge_listeners_.descriptors)
        acme_->serve(challenge_listeners_.type, back_world_->network.adopt_listener(descriptor));
    reports_ = std::make_unique<ReportDesk>(
        environment(*back_world_), back_->intake(), host,
        [this](mail::Envelope envelope) { return back_->expand(std::move(envelope)); });
    accounts_ = std::make_unique<AccountDesk>(
        environment(*back_world_), account_limits_, back_->intake(),
        [this](mail::Envelope envelope) { return back_->expand(std::move(envelope)); });
    const auto enqueue = [this](queue::Arrival arrival) { back_->manager().arrived(std::move(arrival)); };
    back_->read_first(
        [this, enqueue](queue::Arrival arrival) { reports_->arrived(std::move(arrival), enqueue); });
    for (std::size_t i = 0; i < loop_count_; ++i) {
        // A group commit finishes many messages at once: they go to the queue's loop in one piece.
        auto arrivals = std::make_shared<std::vector<queue::Arrival>>();
        auto announce = [this, enqueue, arrivals, &loop = fronts_world_[i]->loop](queue::Arrival arrival) {
            arrivals->push_back(std::move(arrival));
            if (arrivals->size() > 1) return;
            loop.post([this, enqueue, arrivals] {
                back_world_->loop.post([this, enqueue, batch = std::exchange(*arrivals, {})]() mutable {
                    for (auto& one : batch) reports_->arrived(std::move(one), enqueue);
                });
            });
        };
        fronts_.push_back(std::make_unique<Front>(
            environment(*fronts_world_[i]), queue::QueueIdSource(epoch, static_cast<unsigned>(i + 1)), intake,
            std::move(announce), limits_, throttle_, account_limits_, count_,
            [this](dmarc::Sighting sighting) {
                back_world_->loop.post([this, sighting = std::move(sighting)]() mutable {
                    reports_->sighted(std::move(sighting));
                });
            },
            [this](std::string account, std::string client) {
                back_world_->loop.post(
                    [this, account = std::move(account), client = std::move(client)]() mutable {
                        accounts_->conspicuous(std::move(account), std::move(client));
                    });
            },
            [this](queue::SessionReport report) {
                back_world_->loop.post([this, report = std::move(report)]() mutable {
                    back_->postmaster().tell(std::move(report));
                });
            }));
    }
    if (auto problem = build(); !problem.empty()) return problem;
    std::string problem;
    run_once(*back_world_, load_queue(back_->manager(), problem));
    if (!problem.empty()) return problem;
    run_once(*back_world_, load_reports(*reports_, problem));
    if (!problem.empty()) return problem;
    run_once(*back_world_, load_accounts(*accounts_, problem));
    if (!problem.empty()) return problem;
    back_->manager().start();
    reports_->start();
    accounts_->start();
    acme_->start();

    control_ = std::make_unique<server::ControlServer>(back_world_->loop, *log_, server::ControlLimits{});
    ControlActions actions;
    actions.connections = [this] { return static_cast<std::size_t>(count_.open.load()); };
    actions.stop = [] { ::kill(::getpid(), SIGTERM); };
    actions.reload = [] { ::kill(::getpid(), SIGHUP); };
    actions.warnings = [this] {
        auto out = acme_->problems();
        for (auto& text : accounts_->problems()) out.push_back(std::move(text));
        if (watched_site_)
            for (const auto& warning : certificate_warnings(*watched_site_, files_, clock_.wall()))
                out.push_back(warning.text);
        out.insert(out.end(), key_warnings_.begin(), key_warnings_.end());
        return out;
    };
    actions.started = clock_.wall();
    reports_->add_control_handlers(*control_);
    accounts_->add_control_handlers(*control_);
    acme_->add_control_handlers(*control_);
    add_control_handlers(*control_, back_->manager(), back_world_->loop, std::move(actions));
    control_->start(back_world_->network.adopt_listener(control_descriptor_));
    start_pickup(intake.message_size_limit);
    for (const auto& listener : listeners_)
        fronts_[listener.loop]->add_listener(
            listener.service, fronts_world_[listener.loop]->network.adopt_listener(listener.descriptor));
    return "";
}

void Server::start_pickup(std::uint64_t message_size_limit) {
    constexpr std::uint64_t envelope_octets_max = 64 << 20;
    config::Diagnostics ignored;
    const auto smtp = config::bind<smtp::ServerOptions>(*site_->configuration, ignored);
    server::PickupOptions options;
    options.folder = options_.queue_directory + "/maildrop";
    options.file_octets_max =
        (message_size_limit == 0 ? UINT32_MAX : message_size_limit) + envelope_octets_max;
    options.trace.host_name = smtp.host_name;
    options.trace.mail_name = smtp.mail_name;
    options.content = content_rules(*site_);
    server::Pickup::Services services{
        back_world_->loop,
        back_world_->workers,
        files_,
        back_->intake(),
        *log_,
        [this](mail::Envelope envelope) { return back_->expand_submitted(std::move(envelope)); },
        [this] { return back_->make_filter(); }};
    pickup_ = std::make_unique<server::Pickup>(std::move(services), std::move(options));
    pickup_->start(back_world_->network.adopt_listener(pickup_descriptor_));
}

/// What sendmail(1) leaves is signed with; null (and said): the keys cannot be read.
std::shared_ptr<const policy::ContentRules> Server::content_rules(const Site& site) {
    config::Diagnostics unsaid;
    auto rules =
        policy::make_content_rules(config::bind<policy::SenderOptions>(*site.configuration, unsaid), files_);
    if (rules) return std::move(*rules);
    log_->note(base::Severity::Error, "", rules.error());
    return nullptr;
}

template <class F>
void Server::on_each_front(F work) {
    for (std::size_t i = 0; i < loop_count_; ++i)
        fronts_world_[i]->loop.post([this, i, work] { work(*fronts_[i], i); });
}

/// As long as every loop answers: a loop that hangs is for systemd to see.
env::Task<void> Server::feed_watchdog() {
    const auto interval = platform::watchdog_interval() / 2;
    if (interval.count() == 0) co_return;
    auto answered = std::make_shared<std::atomic<std::size_t>>(loop_count_);
    for (;;) {
        if (answered->load() >= loop_count_) {
            platform::tell_service_manager("WATCHDOG=1");
            answered->store(0);
            on_each_front([answered](Front&, std::size_t) { ++*answered; });
        }
        co_await back_world_->loop.sleep(std::chrono::duration_cast<env::Duration>(interval));
    }
}

/// Beside the watch of the files, which must not wait for the DNS.
env::Task<void> Server::look_at_published_keys() {
    auto warnings = co_await signing_key_warnings(back_world_->resolver, watched_site_, files_);
    for (const auto& warning : warnings) log_->note(base::Severity::Warning, "", warning);
    key_warnings_ = std::move(warnings);
}

/// Certificates and signing keys that have changed are taken into use by themselves; what will bite soon is
/// said once a day.
env::Task<void> Server::watch_certificates() {
    constexpr auto day = std::chrono::hours(24);
    const auto look = [this] {
        return certificate_stamp(*watched_site_, files_) + signing_key_stamp(*watched_site_, files_);
    };
    std::string stamp = look();
    env::SteadyTime said{};
    for (;;) {
        const auto now = back_world_->loop.clock().steady();
        if (said == env::SteadyTime{} || now - said >= day) {
            for (const auto& warning : certificate_warnings(*watched_site_, files_, clock_.wall()))
                log_->note(base::Severity::Warning, "", warning.text);
            back_world_->loop.spawn(look_at_published_keys());
            said = now;
        }
        const auto next_look = now + options_.certificate_interval;
        co_await certificate_timer_->wait_until(next_look);
        std::string fresh = look();
        if (fresh == stamp) continue;
        stamp = std::move(fresh);
        said = {};
        log_->note(base::Severity::Info, "", "certificate or key files have changed");
        ::kill(::getpid(), SIGHUP);
    }
}

void Server::reload() {
    config::Diagnostics diagnostics;
    auto site = load_site(site_->directory, files_, inspect_machine(), diagnostics);
    for (const auto& d : diagnostics.list())
        log_->note(d.severity == config::Severity::Error ? base::Severity::Error : base::Severity::Warning,
                   "", d.render());
    if (!site || diagnostics.has_errors()) {
        log_->note(base::Severity::Error, "", "the new configuration has errors; the old one stays in force");
        return;
    }
    site_ = site;
    own_ = own_addresses();
    log_->reopen();
    on_each_front([this, site](Front& front, std::size_t i) {
        auto generation = build_front(*site, environment(*fronts_world_[i]), own_);
        if (generation)
            front.use(std::move(*generation));
        else
            log_->note(base::Severity::Error, "",
                       generation.error() + "; the old configuration stays in force");
    });
    back_world_->loop.post([this, site] {
        watched_site_ = site;
        auto used = back_->use(*site, own_);
        if (used) used = reports_->use(*site);
        if (used) used = acme_->use(*site);
        if (used) used = accounts_->use(*site);
        if (auto rules = content_rules(*site)) pickup_->use(std::move(rules));
        if (!used)
            log_->note(base::Severity::Error, "", used.error() + "; the old configuration stays in force");
    });
    log_->note(base::Severity::Info, "", "configuration loaded");
}

env::Task<void> stop_queue(Back& back, ReportDesk& reports, AccountDesk& accounts, std::atomic<bool>& done) {
    co_await back.manager().stop();
    co_await reports.stop();
    co_await accounts.stop();
    done = true;
}

void Server::stop() {
    const auto until = clock_.steady() + std::chrono::seconds(options_.stop_seconds);
    constexpr auto look_again = std::chrono::milliseconds(10);
    on_each_front([](Front& front, std::size_t) { front.stop(); });
    while (count_.open.load() > 0 && clock_.steady() < until) std::this_thread::sleep_for(look_again);
    auto done = std::make_shared<std::atomic<bool>>(false);
    back_world_->loop.post([this, done] {
        control_->close();
        pickup_->stop();
        acme_->stop();
        back_world_->loop.spawn(stop_queue(*back_, *reports_, *accounts_, *done));
    });
    while (!done->load() && clock_.steady() < until) std::this_thread::sleep_for(look_again);
    for (auto& world : fronts_world_) {
        world->loop.stop();
        world->thread.join();
    }
    back_world_->loop.stop();
    back_world_->thread.join();
    pool_.reset();
    dns_.reset();
    database_->stop();
    for (auto& world : fronts_world_) world->loop.destroy_tasks();
    back_world_->loop.destroy_tasks();
}

int Server::run() {
    log_ = std::make_unique<platform::LogWriter>(
        log_settings(options_, site_->configuration->get("myhostname")), clock_);
    if (auto problem = start(); !problem.empty()) {
        log_.reset();
        return fail(problem);
    }
    const auto run = [](LoopWorld& world) {
        world.thread = std::thread([loop = &world.loop] {
            platform::work_in_batches();
            loop->run();
        });
    };
    for (auto& world : fronts_world_) run(*world);
    run(*back_world_);
    log_->note(base::Severity::Info, "",
               fmt::format("daemon started -- version 0.1.0, configuration {}", site_->directory));
    back_world_->loop.post([this, site = site_] {
        watched_site_ = site;
        back_world_->loop.spawn(feed_watchdog());
        back_world_->loop.spawn(watch_certificates());
    });
    platform::tell_service_manager("READY=1");
    sigset_t signals;
    sigemptyset(&signals);
    for (const int s : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, s);
    for (;;) {
        int got = 0;
        if (::sigwait(&signals, &got) != 0) continue;
        if (got != SIGHUP) break;
        reload();
    }
    log_->note(base::Severity::Info, "", "stopping");
    platform::tell_service_manager("STOPPING=1");
    stop();
    log_->note(base::Severity::Info, "", "stopped");
    fronts_.clear();
    acme_.reset();
    certificate_timer_.reset();
    accounts_.reset();
    reports_.reset();
    back_.reset();
    control_.reset();
    pickup_.reset();
    fronts_world_.clear();
    back_world_.reset();
    database_.reset();
    return 0;
}

}  // namespace

// Keys and tables that only root may read: the helper reads these, and no others, for the server.
static std::set<std::string> files_named_in(const Site& site, env::FileSystem& files) {
    std::set<std::string> out;
    const auto take = [&](const config::Configuration& configuration) {
        config::Diagnostics said_elsewhere;
        const auto signing = policy::SigningKeys::files(
            config::bind<policy::SenderOptions>(configuration, said_elsewhere), files);
        out.insert(signing.begin(), signing.end());
        for (const auto& setting : configuration.settings()) {
            const std::string_view name = setting.name;
            if (!name.ends_with("_file") && !name.ends_with("_files") && !name.ends_with("CAfile") &&
                !name.ends_with("_maps") && !name.ends_with("_checks") && !name.starts_with("dkim_"))
                continue;
            for (const auto& word : config::split_list(configuration.get(name)))
                if (const auto slash = word.find('/');
                    slash == 0 || (slash != std::string::npos && word[slash - 1] == ':'))
                    out.insert(word.substr(slash));
        }
    };
    take(*site.configuration);
    for (const auto& service : site.services) take(site.configuration->with_overrides(service));
    return out;
}

int run_server(const std::string& directory) {
    sigset_t signals;
    sigemptyset(&signals);
    for (const int s : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, s);
    ::sigprocmask(SIG_BLOCK, &signals, nullptr);  // before any thread: only sigwait() gets them
    ::signal(SIGPIPE, SIG_IGN);
    platform::PosixFileSystem files;
    config::Diagnostics diagnostics;
    auto site = load_site(directory, files, inspect_machine(), diagnostics);
    for (const auto& d : diagnostics.list()) std::fprintf(stderr, "%s\n", d.render().c_str());
    if (!site || diagnostics.has_errors())
        return fail("the configuration has errors; postrider check says all of them");
    config::Diagnostics bound;
    auto options = config::bind<ProgramOptions>(*site->configuration, bound);
    HelperSettings helper_settings;
    helper_settings.host_name = site->configuration->get("myhostname");
    helper_settings.spool_directory = site->configuration->get("mail_spool_directory");
    helper_settings.readable = files_named_in(*site, files);
    const auto helper = start_delivery_helper(helper_settings);
    if (!helper) return fail(helper.error());
    const std::size_t loops =
        options.loops > 0 ? options.loops : std::max(1U, std::thread::hardware_concurrency());
    for (const auto& folder : {options.queue_directory, options.store_directory}) {
        auto made =
            prepare_folder(folder, options.mail_owner, folder == options.store_directory ? 0700 : 0755);
        if (!made) return fail(made.error());
    }
    const auto acme_options = config::bind<acme::Options>(*site->configuration, bound);
    if (!acme_options.domains.empty()) {
        auto made = prepare_folder(acme_options.folder, options.mail_owner, 0700);
        if (!made) return fail("acme_certificate_directory: " + made.error());
    }
    auto listeners =
        bind_listeners(*site, options, std::min<std::size_t>(loops, queue::QueueIdSource::loops_max - 1));
    if (!listeners) return fail(listeners.error());
    auto challenges = bind_challenges(*site, options);
    // Any program on the machine may leave a message, none may see another's; and knock.
    auto maildrop = prepare_folder(options.queue_directory + "/maildrop", options.mail_owner, 01733);
    auto open_to_all = prepare_folder(options.queue_directory + "/public", options.mail_owner, 0755);
    if (!maildrop || !open_to_all) return fail(maildrop ? open_to_all.error() : maildrop.error());
    auto pickup =
        platform::open_listener(env::Endpoint{{}, 0, options.queue_directory + "/public/pickup"}, 0666);
    if (!pickup)
        return fail(fmt::format("cannot listen on {}/public/pickup: {}", options.queue_directory,
                                env::to_text(pickup.error())));
    auto control = platform::open_listener(env::Endpoint{{}, 0, options.control_socket}, 0600);
    if (!control)
        return fail(
            fmt::format("cannot listen on {}: {}", options.control_socket, env::to_text(control.error())));
    if (::geteuid() == 0)
        if (const passwd* entry = ::getpwnam(options.mail_owner.c_str()))
            static_cast<void>(::chown(options.control_socket.c_str(), entry->pw_uid, entry->pw_gid) + 0);
    if (!options.log_file.empty() && options.log_file != "/dev/stdout" && ::geteuid() == 0) {
        // The log file is opened (and reopened) by the server's user.
        if (std::FILE* file = std::fopen(options.log_file.c_str(), "ae")) std::fclose(file);
        if (const passwd* entry = ::getpwnam(options.mail_owner.c_str()))
            static_cast<void>(::chown(options.log_file.c_str(), entry->pw_uid, entry->pw_gid) + 0);
    }
    // Connections in, connections out, DNS questions, the store's files.
    constexpr std::uint64_t other_descriptors = 2000;
    const auto connections =
        config::bind<server::ClientLimitOptions>(*site->configuration, bound).connections_max;
    if (const auto granted = raise_descriptor_limit(); granted < connections + other_descriptors)
        std::fprintf(stderr,
                     "postrider: warning: only %llu files may be open, postrider_connection_limit = %u wants "
                     "%llu: raise "
                     "LimitNOFILE in the service unit (or ulimit -n), or lower the parameter\n",
                     static_cast<unsigned long long>(granted), connections,
                     static_cast<unsigned long long>(connections + other_descriptors));
    if (auto problem = drop_privileges(options.mail_owner); !problem.empty()) return fail(problem);
    Server server(site, std::move(options), std::move(*listeners), std::move(challenges), *control, *pickup,
                  *helper, loops);
    return server.run();
}

}  // namespace app
