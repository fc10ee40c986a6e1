#include "app/running_server.hpp"

#include "app/certificates.hpp"
#include "app/control.hpp"
#include "app/login_secret.hpp"
#include "app/signing_key_watch.hpp"
#include "base/text.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

namespace app {
namespace {

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

env::Task<void> finish_then(env::Task<void> task, platform::AsioLoop& loop) {
    co_await task;
    loop.stop();
}

env::Task<void> load_queue(queue::QueueManager& manager, std::string& problem) {
    auto loaded = co_await manager.load();
    if (!loaded) problem = loaded.error();
}

template <class Desk>
env::Task<void> load_counts(Desk& desk, std::string& problem) {
    const bool loaded = co_await desk.load();
    if (!loaded) problem = "the queue's store cannot be read";
}

env::Task<void> stop_queue(Back& back, ReportDesk& reports, AccountDesk& accounts, std::atomic<bool>& done) {
    co_await back.manager().stop();
    co_await reports.stop();
    co_await accounts.stop();
    done = true;
}

}  // namespace

void RunningServer::run_once(LoopWorld& world, env::Task<void> task) {
    world.loop.spawn(finish_then(std::move(task), world.loop));
    world.loop.run();
    world.loop.restart();
}

std::string RunningServer::build() {
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

std::string RunningServer::start() {
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
    back_->read_first([this](queue::Arrival arrival) { arrived(std::move(arrival)); });
    for (std::size_t i = 0; i < loop_count_; ++i)
        fronts_.push_back(
            make_front(*fronts_world_[i], queue::QueueIdSource(epoch, static_cast<unsigned>(i + 1)), intake));
    if (auto problem = build(); !problem.empty()) return problem;
    std::string problem;
    run_once(*back_world_, load_queue(back_->manager(), problem));
    if (!problem.empty()) return problem;
    run_once(*back_world_, load_counts(*reports_, problem));
    if (!problem.empty()) return problem;
    run_once(*back_world_, load_counts(*accounts_, problem));
    if (!problem.empty()) return problem;
    back_->manager().start();
    reports_->start();
    accounts_->start();
    acme_->start();

    start_control();
    start_pickup(intake.message_size_limit);
    for (const auto& listener : listeners_)
        fronts_[listener.loop]->add_listener(
            listener.service, fronts_world_[listener.loop]->network.adopt_listener(listener.descriptor));
    return "";
}

/// Report mail is read before the queue has it.
void RunningServer::arrived(queue::Arrival arrival) {
    reports_->arrived(std::move(arrival),
                      [this](queue::Arrival onward) { back_->manager().arrived(std::move(onward)); });
}

std::unique_ptr<Front> RunningServer::make_front(LoopWorld& world, queue::QueueIdSource ids,
                                                 const queue::IntakeOptions& intake) {
    // A group commit finishes many messages at once: they go to the queue's loop in one piece.
    auto arrivals = std::make_shared<std::vector<queue::Arrival>>();
    auto announce = [this, arrivals, &loop = world.loop](queue::Arrival arrival) {
        arrivals->push_back(std::move(arrival));
        if (arrivals->size() > 1) return;
        loop.post([this, arrivals] {
            back_world_->loop.post([this, batch = std::exchange(*arrivals, {})]() mutable {
                for (auto& one : batch) arrived(std::move(one));
            });
        });
    };
    // Runs `work` on the queue's loop with what it is about.
    const auto tell = [this](auto work) {
        return [this, work](auto... about) {
            back_world_->loop.post(
                [work, ... about = std::move(about)]() mutable { work(std::move(about)...); });
        };
    };
    FrontNews news;
    news.sighted = tell([this](dmarc::Sighting sighting) { reports_->sighted(std::move(sighting)); });
    news.conspicuous = tell([this](std::string account, std::string client) {
        accounts_->conspicuous(std::move(account), std::move(client));
    });
    news.report = tell([this](queue::SessionReport report) { back_->postmaster().tell(std::move(report)); });
    news.flush_site = tell([this](const std::string& domain) { back_->manager().flush_site(domain); });
    return std::make_unique<Front>(environment(world), ids, intake, std::move(announce), limits_, throttle_,
                                   account_limits_, count_, std::move(news));
}

void RunningServer::start_control() {
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
}

void RunningServer::start_pickup(std::uint64_t message_size_limit) {
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
std::shared_ptr<const policy::ContentRules> RunningServer::content_rules(const Site& site) {
    config::Diagnostics unsaid;
    auto rules =
        policy::make_content_rules(config::bind<policy::SenderOptions>(*site.configuration, unsaid), files_);
    if (rules) return std::move(*rules);
    log_->note(base::Severity::Error, "", rules.error());
    return nullptr;
}

template <class F>
void RunningServer::on_each_front(F work) {
    for (std::size_t i = 0; i < loop_count_; ++i)
        fronts_world_[i]->loop.post([this, i, work] { work(*fronts_[i], i); });
}

/// As long as every loop answers: a loop that hangs is for systemd to see.
env::Task<void> RunningServer::feed_watchdog() {
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
env::Task<void> RunningServer::look_at_published_keys() {
    auto warnings = co_await signing_key_warnings(back_world_->resolver, watched_site_, files_);
    for (const auto& warning : warnings) log_->note(base::Severity::Warning, "", warning);
    key_warnings_ = std::move(warnings);
}

/// Certificates and signing keys that have changed are taken into use by themselves; what will bite soon is
/// said once a day.
env::Task<void> RunningServer::watch_certificates() {
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

void RunningServer::reload() {
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

void RunningServer::stop() {
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

std::string RunningServer::run() {
    log_ = std::make_unique<platform::LogWriter>(
        log_settings(options_, site_->configuration->get("myhostname")), clock_);
    if (auto problem = start(); !problem.empty()) {
        log_.reset();
        return problem;
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
    return "";
}

}  // namespace app
