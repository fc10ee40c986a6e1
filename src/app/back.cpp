#include "app/back.hpp"

#include "app/bounce_templates.hpp"
#include "app/transport_limits.hpp"
#include "base/result.hpp"
#include "base/text.hpp"
#include "delivery/forwarding.hpp"
#include "delivery/junk_detail.hpp"
#include "delivery/pipe_transport.hpp"
#include "policy/content_check.hpp"
#include "policy/signing_keys.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace app {
namespace {

/// nullptr: nothing is sealed.
std::expected<std::shared_ptr<const delivery::ArcSealing>, std::string> make_sealing(
    const config::Configuration& configuration, env::FileSystem& files) {
    config::Diagnostics said_already;
    const auto options = config::bind<policy::SenderOptions>(configuration, said_already);
    if (!options.arc_seal) return nullptr;
    TRY_ASSIGN(auto key, policy::sealing_key(options, configuration.get("mydomain"), files));
    return std::make_shared<const delivery::ArcSealing>(
        delivery::ArcSealing{options.authserv_id, std::move(key.domain), std::move(key.selector),
                             std::move(key.key), options.header_size_limit});
}

/// What pickup's messages are subject to: main.cf, the pickup service's -o, its cleanup service's -o.
config::Configuration of_pickup(const Site& site) {
    const auto found = std::ranges::find(site.services, "pickup", &config::Service::command);
    if (found == site.services.end()) return with_cleanup(*site.configuration, site.services);
    return with_cleanup(site.configuration->with_overrides(*found), site.services);
}

}  // namespace

struct Back::Generation {
    std::unique_ptr<tables::Factory> factory;
    std::unique_ptr<routing::Routing> routing;
    std::map<std::string, std::unique_ptr<queue::Transport>> transports;  // by master.cf name
    std::shared_ptr<const config::Configuration> configuration;
    std::shared_ptr<const policy::ContentRules> signing;  // for notifications
    TransportLimits limits;
    std::shared_ptr<const policy::FilterRules> filter;  // of pickup
};

class Back::CurrentRouter : public queue::Router {
 public:
    explicit CurrentRouter(std::vector<std::unique_ptr<Generation>>& generations)
        : generations_(generations) {}
    env::Task<std::expected<queue::Route, queue::RouteError>> route(mail::ReversePath sender,
                                                                    mail::Address recipient) override {
        auto choice = co_await generations_.back()->routing->route(std::move(sender), std::move(recipient));
        co_return to_route(std::move(choice));
    }
    std::expected<queue::Route, queue::RouteError> filter_route(std::string_view filter,
                                                                mail::Address recipient) override {
        const std::string& next_hop = generations_.back()->filter->options.default_filter_next_hop;
        auto choice =
            routing::parse_transport(filter, "smtp", next_hop.empty() ? recipient.domain : next_hop);
        choice.recipient = std::move(recipient);
        return to_route(routing::settle(std::move(choice)));
    }

 private:
    static std::expected<queue::Route, queue::RouteError> to_route(
        std::expected<routing::RouteChoice, routing::RouteFailure> choice) {
        if (!choice) return std::unexpected(queue::RouteError{choice.error().status, choice.error().text});
        return queue::Route{std::move(choice->transport), std::move(choice->next_hop),
                            std::move(choice->recipient)};
    }
    std::vector<std::unique_ptr<Generation>>& generations_;
};

Back::Back(LoopEnvironment environment, delivery::Agent& agent, queue::QueueIdSource ids,
           queue::IntakeOptions intake)
    : environment_(environment),
      agent_(agent),
      epoch_(ids.epoch()),
      intake_(environment.loop, environment.store, ids, intake,
              [this](queue::Arrival arrival) {
                  if (arrival.marked && reader_) return reader_(std::move(arrival));
                  manager_->arrived(std::move(arrival));
              }),
      signing_intake_(
          intake_, [this] { return generations_.back()->signing; }, environment.workers,
          environment.loop.clock()),
      router_(std::make_unique<CurrentRouter>(generations_)) {}
Back::~Back() = default;

std::expected<void, std::string> Back::use(const Site& site, const std::set<env::IpAddress>& own_addresses) {
    auto generation = std::make_unique<Generation>();
    config::Diagnostics diagnostics;
    const auto& configuration = *site.configuration;
    generation->configuration = site.configuration;
    generation->limits = TransportLimits::make(configuration, site.services, diagnostics);
    generation->factory = std::make_unique<tables::Factory>(tables::TableServices{
        environment_.files, environment_.loop.clock(), environment_.users, environment_.events});
    TRY_ASSIGN(generation->routing,
               routing::Routing::make(config::bind<routing::RoutingOptions>(configuration, diagnostics),
                                      routing::Routing::Services{*generation->factory, environment_.files,
                                                                 own_addresses, environment_.loop.clock()}));
    TRY_ASSIGN(generation->signing,
               policy::make_content_rules(config::bind<policy::SenderOptions>(configuration, diagnostics),
                                          environment_.files));
    TRY_ASSIGN(generation->filter,
               policy::make_filter_rules(config::bind<policy::FilterOptions>(of_pickup(site), diagnostics),
                                         *generation->factory));
    const std::string queue_directory = configuration.get("queue_directory");
    TRY_ASSIGN(const auto sealing, make_sealing(configuration, environment_.files));
    // It outlives every delivery it began.
    const auto of_this_generation =
        [transports = &generation->transports](const std::string& name) -> queue::Transport* {
        const auto found = transports->find(name);
        return found == transports->end() ? nullptr : found->second.get();
    };
    const auto reporting = [this, &diagnostics](const config::Configuration& of_service) {
        auto out = config::bind<queue::PostmasterOptions>(of_service, diagnostics).reporting();
        out.tell = [this](queue::SessionReport report) { postmaster_->tell(std::move(report)); };
        return out;
    };
    auto services = site.services;
    // Postfix's own transports exist also where a short master.cf does not list them.
    for (const auto& [name, command] : {std::pair{"local", "local"},
                                        {"virtual", "virtual"},
                                        {"smtp", "smtp"},
                                        {"relay", "smtp"},
                                        {"lmtp", "lmtp"},
                                        {"discard", "discard"}})
        if (std::ranges::none_of(services, [&](const auto& s) { return s.name == name && s.type == "unix"; }))
            services.push_back({name, "unix", "-", "-", "-", "-", "-", command, {}, {}, "", 0});
    for (const auto& service : services) {
        if (service.type != "unix") continue;
        const auto own = configuration.with_overrides(service);
        std::unique_ptr<queue::Transport> transport;
        if (service.command == "virtual") {
            TRY_ASSIGN(transport, delivery::VirtualTransport::make(
                                      config::bind<delivery::VirtualOptions>(own, diagnostics),
                                      *generation->factory, agent_));
        } else if (service.command == "smtp" || service.command == "lmtp") {
            const bool lmtp = service.command == "lmtp";
            delivery::SmtpClientTransport::Services world{
                environment_.loop,    environment_.network, environment_.tls,    environment_.resolver,
                environment_.random,  environment_.files,   environment_.events, *generation->factory,
                *generation->routing, own_addresses,        queue_directory,     environment_.programs,
                of_this_generation,   reporting(own)};
            const auto settings = lmtp ? own.for_lmtp() : own;
            auto made = delivery::SmtpClientTransport::make(
                service.name, lmtp ? delivery::Protocol::Lmtp : delivery::Protocol::Smtp,
                config::bind<delivery::SmtpClientOptions>(settings, diagnostics),
                config::bind<delivery::OutgoingOptions>(settings, diagnostics), std::move(world));
            if (!made) return std::unexpected(made.error());
            if (lmtp)
                transport = std::make_unique<delivery::JunkDetailTransport>(
                    std::move(*made), config::bind<delivery::JunkDetailOptions>(own, diagnostics));
            else
                transport = std::make_unique<delivery::ForwardingTransport>(
                    service.name, std::move(*made),
                    delivery::ForwardingTransport::Services{environment_.loop, environment_.workers,
                                                            *generation->routing, environment_.events},
                    sealing);
        } else if (service.command == "local") {
            delivery::LocalTransport::Services local{environment_.loop,
                                                     *generation->factory,
                                                     environment_.users,
                                                     *generation->routing,
                                                     intake_,
                                                     environment_.events,
                                                     agent_,
                                                     of_this_generation};
            TRY_ASSIGN(transport,
                       delivery::LocalTransport::make(config::bind<delivery::LocalOptions>(own, diagnostics),
                                                      std::move(local)));
        } else if (service.command == "pipe") {
            auto options = config::bind<delivery::PipeOptions>(own, diagnostics);
            own_time_limit(configuration, service.name, options.command_time_limit, diagnostics);
            delivery::PipeTransport::Services world{environment_.users, environment_.loop.clock(), agent_};
            auto made =
                delivery::PipeTransport::make(service.name, service.arguments, std::move(options), world);
            if (!made)
                return std::unexpected(fmt::format("{}:{}: service {}: {}", service.file, service.line,
                                                   service.name, made.error()));
            transport = std::move(*made);
        } else if (service.command == "discard") {
            transport = std::make_unique<delivery::DiscardTransport>();
        }
        if (transport) generation->transports.insert_or_assign(service.name, std::move(transport));
    }
    queue::QueueManagerOptions options = config::bind<queue::QueueManagerOptions>(configuration, diagnostics);
    options.retry = config::bind<queue::RetryOptions>(configuration, diagnostics);
    auto notifier_options = config::bind<queue::NotifierOptions>(configuration, diagnostics);
    auto postmaster_options = config::bind<queue::PostmasterOptions>(configuration, diagnostics);
    TRY_ASSIGN(notifier_options.templates, load_bounce_templates(configuration, environment_.files));
    for (const auto& d : diagnostics.list())
        if (d.severity == config::Severity::Error) return std::unexpected(d.render());
    generations_.push_back(std::move(generation));
    if (manager_) {
        manager_->configure(std::move(options));
        notifier_->configure(std::move(notifier_options));
        postmaster_->configure(std::move(postmaster_options));
        return {};
    }
    queue::Notifier::Services notifier_services{
        environment_.loop,   environment_.store,
        environment_.random, signing_intake_,
        environment_.events, [this](mail::Envelope envelope) { return expand(std::move(envelope)); }};
    notifier_ = std::make_unique<queue::Notifier>(std::move(notifier_services), std::move(notifier_options));
    queue::Postmaster::Services postmaster_services{
        environment_.loop, signing_intake_, environment_.events,
        [this](mail::Envelope envelope) { return expand(std::move(envelope)); }};
    postmaster_ =
        std::make_unique<queue::Postmaster>(std::move(postmaster_services), std::move(postmaster_options));
    const auto current = [this]() -> Generation& { return *generations_.back(); };
    queue::QueueManager::Services manager_services{
        environment_.loop,
        environment_.store,
        environment_.events,
        *router_,
        *notifier_,
        [current](const std::string& name) -> queue::Transport* {
            const auto found = current().transports.find(name);
            return found == current().transports.end() ? nullptr : found->second.get();
        },
        [current](const std::string& transport) { return current().limits.destination(transport); },
        [current](const std::string& transport) { return current().limits.recipients(transport); },
        epoch_};
    manager_ = std::make_unique<queue::QueueManager>(std::move(manager_services), std::move(options));
    return {};
}

env::Task<std::expected<mail::Envelope, std::string>> Back::expand(mail::Envelope envelope) {
    return generations_.back()->routing->expand(std::move(envelope));
}

env::Task<std::expected<mail::Envelope, std::string>> Back::expand_submitted(mail::Envelope envelope) {
    Generation& current = *generations_.back();
    if (current.filter->options.overridden("no_address_mappings")) co_return envelope;
    auto expanded = co_await current.routing->expand(std::move(envelope));
    co_return expanded;
}

std::unique_ptr<policy::MessageFilter> Back::make_filter() {
    Generation& current = *generations_.back();
    const bool maps = !current.filter->options.overridden("no_address_mappings");
    return std::make_unique<policy::MessageFilter>(
        current.filter, maps ? rewrite_for_own_users(*current.routing) : policy::MessageFilter::Rewrite{});
}

}  // namespace app
