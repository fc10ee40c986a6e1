#include "sim/server_machine.hpp"

#include "app/site.hpp"

#include <fmt/format.h>

namespace sim {

void TraceEvents::emit(base::Event event) {
    if (watcher) watcher(event);
    if (const auto* note = std::get_if<base::Note>(&event))
        scheduler_.note(note->service + ": " + note->text);
    else if (const auto* attempt = std::get_if<base::DeliveryAttempt>(&event))
        scheduler_.note(fmt::format("{}: to {} via {}: {} {}", attempt->queue_id, attempt->recipient,
                                    attempt->service, attempt->dsn, attempt->text));
    else if (const auto* rejected = std::get_if<base::Rejected>(&event))
        scheduler_.note(rejected->action + " " + rejected->stage + ": " + rejected->reply);
    else if (const auto* sent = std::get_if<base::NotificationSent>(&event))
        scheduler_.note(sent->queue_id + ": notification " + sent->notification_id);
    else if (const auto* removed = std::get_if<base::MessageRemoved>(&event))
        scheduler_.note(removed->queue_id + ": removed");
    else if (const auto* contents = std::get_if<base::MessageContents>(&event))
        scheduler_.note(contents->queue_id + ": message-id " + contents->message_id);
}

ServerMachine::ServerMachine(Scheduler& scheduler, Cables& cables, SimRandom random, env::Endpoint at)
    : files(random.split("files")),
      scheduler_(scheduler),
      cables_(cables),
      random_(std::move(random)),
      at_(std::move(at)),
      loop_(scheduler, "server"),
      events_(scheduler) {}

env::Task<std::string> ServerMachine::start() {
    ++starts_;
    const std::string life = "life " + std::to_string(starts_);
    network_ = std::make_unique<SimNetwork>(cables_, loop_, at_.address);
    store_ = std::make_unique<SimStore>(disk, loop_, random_.split(life + " store"));
    workers_ = std::make_unique<SimWorkers>(loop_, random_.split(life + " workers"));
    life_random_ = std::make_unique<SimRandom>(random_.split(life));
    limits_ = std::make_unique<server::ClientLimits>();
    throttle_ = std::make_unique<accounts::Throttle>();
    count_ = std::make_unique<server::ConnectionCount>();
    agent_ = std::make_unique<delivery::InProcessAgent>(loop_, *workers_, files, "mail.example.com", starts_,
                                                        1000);
    resolver_ = std::make_unique<SimResolver>(dns, loop_);
    app::LoopEnvironment environment{loop_,         *network_, tls_,  resolver_.get(), *store_,
                                     *life_random_, *workers_, files, users_,          events_};
    config::Diagnostics diagnostics;
    const auto site =
        app::load_site("/etc/postrider", files, config::Machine{"mail.example.com", {}, {}}, diagnostics);
    if (!site || diagnostics.has_errors())
        co_return diagnostics.list().empty() ? std::string("no configuration")
                                             : diagnostics.list().front().render();
    queue::IntakeOptions intake;
    intake.chunk_bytes = 4096;  // small, so that most messages have several
    back_ = std::make_unique<app::Back>(environment, *agent_, queue::QueueIdSource(starts_, 0), intake);
    auto announce = [this](queue::Arrival arrival) {
        loop_.post([this, arrival = std::move(arrival)]() mutable {
            if (back_) back_->manager().arrived(std::move(arrival));
        });
    };
    front_ = std::make_unique<app::Front>(environment, queue::QueueIdSource(starts_, 1), intake,
                                          std::move(announce), *limits_, *throttle_, accounts_, *count_,
                                          app::FrontNews{});
    const std::set<env::IpAddress> own{at_.address};
    auto generation = app::build_front(*site, environment, own);
    if (!generation) co_return generation.error();
    front_->use(*generation);
    auto used = back_->use(*site, own);
    if (!used) co_return used.error();
    auto loaded = co_await back_->manager().load();
    if (!loaded) co_return loaded.error();
    back_->manager().start();
    auto listener = network_->listen(at_);
    if (!listener) co_return std::string("cannot listen");
    front_->add_listener((*generation)->services.begin()->first, std::move(*listener));
    scheduler_.note("server up");
    co_return std::string{};
}

void ServerMachine::power_cut() {
    scheduler_.note("power cut");
    loop_.kill();
    front_.reset();
    back_.reset();
    agent_.reset();
    disk.power_cut(random_);
    files.power_cut();
    loop_.revive();
}

env::Task<void> ServerMachine::stop() {
    front_->stop();
    while (count_->open.load() > 0) co_await loop_.sleep(std::chrono::milliseconds(10));
    co_await back_->manager().stop();
}

}  // namespace sim
