#include "queue/queue_manager.hpp"

#include "base/check.hpp"
#include "queue/active_message.hpp"
#include "queue/store_content.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace queue {

std::string_view to_text(QueueState state) {
    constexpr std::string_view words[] = {"active", "deferred", "hold"};
    return words[static_cast<std::size_t>(state)];
}

QueueManager::QueueManager(Services services, QueueManagerOptions options)
    : services_(std::move(services)),
      options_(std::move(options)),
      scheduler_(services_.destination_options),
      timer_(services_.loop.make_timer()),
      idle_(services_.loop),
      more_indexed_(services_.loop) {}
QueueManager::~QueueManager() = default;

void QueueManager::start() {
    running_ = true;
    services_.loop.spawn(rebuild_index());
    pump();
}

env::Task<void> QueueManager::stop() {
    running_ = false;
    stopping_ = true;
    timer_->cancel();
    while (deliveries_ > 0) co_await idle_.wait();
}

void QueueManager::configure(QueueManagerOptions options) { options_ = std::move(options); }

/// No sender holds all the places among the active: a fifth is kept for others.
std::optional<MessageKey> QueueManager::next_ready() {
    if (active_ >= options_.active_messages_max) return std::nullopt;
    const std::size_t of_one_max =
        std::max<std::size_t>(1, std::size_t{options_.active_messages_max} * 4 / 5);
    return ready_.pop_if([&](SenderGroup sender) {
        const auto found = active_by_sender_.find(sender);
        return found == active_by_sender_.end() || found->second < of_one_max;
    });
}

void QueueManager::leave_active(SenderGroup sender) {
    --active_;
    const auto found = active_by_sender_.find(sender);
    CHECK(found != active_by_sender_.end());
    if (--found->second == 0) active_by_sender_.erase(found);
}

void QueueManager::pump() {
    if (!running_) return;
    while (const auto ready = next_ready()) {
        const MessageKey key = *ready;
        Entry* entry = find(key);
        if (!entry || entry->state != QueueState::Deferred || entry->leaving) continue;
        entry->state = QueueState::Active;
        ++active_;
        ++active_by_sender_[entry->sender];
        ++deliveries_;
        services_.loop.spawn(activate(key));
    }
    start_deliveries();
    if (!timer_waiting_) {
        timer_waiting_ = true;
        services_.loop.spawn(wait_for_due());
    }
}

void QueueManager::start_deliveries() {
    // What a crash now would repeat is bounded: no new deliveries while many results wait to be written.
    while (running_ && unrecorded_ < options_.unrecorded_max) {
        auto start = scheduler_.next(services_.loop.clock().steady());
        if (!start) return;
        ++deliveries_;
        services_.loop.spawn(run_delivery(std::move(*start)));
    }
}

env::Task<void> QueueManager::wait_for_due() {
    constexpr auto look_again = std::chrono::seconds(1);
    while (running_) {
        const auto now = services_.loop.clock().steady();
        auto until = now + look_again;
        if (const auto change = scheduler_.next_change(now))
            until = std::min(until, std::max(*change, now + std::chrono::milliseconds(1)));
        co_await timer_->wait_until(until);
        if (!running_) break;
        take_due();
        timer_waiting_ = true;
        pump();
    }
    timer_waiting_ = false;
}

env::Task<std::expected<std::shared_ptr<QueueManager::Active>, std::string>> QueueManager::load_active(
    QueueId id) {
    auto bytes = co_await services_.store.read(env::Keyspace::Envelopes, envelope_key(id));
    if (!bytes || !*bytes) co_return std::unexpected(std::string("the envelope cannot be read"));
    auto record = decode_envelope(**bytes);
    if (!record) co_return std::unexpected(std::string("the envelope is damaged"));
    auto active = std::make_shared<Active>();
    active->progress.assign(record->envelope.recipients.size(), Progress::Pending);
    active->record = std::make_shared<const EnvelopeRecord>(std::move(*record));
    auto results = co_await services_.store.scan(env::Keyspace::Envelopes, envelope_key(id) + '\0',
                                                 end_key(id), SIZE_MAX);
    if (!results) co_return std::unexpected(std::string("the recipients' states cannot be read"));
    for (const auto& [key, value] : *results) {
        const auto parsed = parse_key(key);
        if (!parsed || parsed->kind != EnvelopeKey::Kind::Recipient ||
            parsed->index >= active->progress.size())
            continue;
        const auto result = decode_recipient(value);
        if (result && result->kind != RecipientResult::Kind::Deferred)
            active->progress[parsed->index] = Progress::Done;
    }
    co_return active;
}

env::Task<std::expected<Route, RouteError>> QueueManager::route_of(const mail::Envelope& envelope,
                                                                   std::uint32_t index) {
    const mail::Address& recipient = envelope.recipients[index].address;
    if (!envelope.content_filter.empty())
        co_return services_.router.filter_route(envelope.content_filter, recipient);
    auto route = co_await services_.router.route(envelope.sender, recipient);
    co_return route;
}

env::Task<void> QueueManager::activate(MessageKey key) {
    std::shared_ptr<Active> active;
    QueueId id;
    SenderGroup group = 0;
    if (Entry* entry = find(key)) {
        id = entry->id;
        active = entry->active;
        group = entry->sender;
    }
    if (!active) {
        auto loaded = co_await load_active(id);
        Entry* entry = find(key);
        if (!entry || !loaded) {
            if (entry) {
                services_.events.note(base::Severity::Error, "qmgr",
                                      fmt::format("{}: {}", id.text(), loaded.error()));
                make_due(key, *entry, services_.loop.clock().wall() + options_.retry.minimal_backoff);
            }
            leave_active(group);
            if (--deliveries_ == 0) idle_.notify_all();
            co_return;
        }
        active = entry->active = std::move(*loaded);
    }
    const mail::Envelope& envelope = active->record->envelope;
    active->since = services_.loop.clock().steady();
    ++active->outstanding;  // this activation itself: complete() must wait for all jobs to be known
    const auto pending = static_cast<std::size_t>(
        std::ranges::count_if(active->progress, [](Progress p) { return p != Progress::Done; }));
    services_.events.emit(
        base::MessageActive{id.text(), envelope.sender.text(), active->record->size, pending});
    std::map<Destination, std::vector<std::uint32_t>> groups;
    std::vector<std::uint32_t> touched;
    for (std::uint32_t i = 0; i < active->progress.size(); ++i) {
        if (active->progress[i] == Progress::Done) continue;
        active->progress[i] = Progress::Pending;
        auto route = co_await route_of(envelope, i);
        Entry* entry = find(key);
        if (!entry || entry->doomed) break;
        if (!route) {
            RecipientResult result;
            result.kind = route.error().status.is_permanent() ? RecipientResult::Kind::Failed
                                                              : RecipientResult::Kind::Deferred;
            result.status = route.error().status;
            result.text = route.error().text;
            apply(*entry, i, result, "error", nullptr);
            touched.push_back(i);
            continue;
        }
        Destination destination{route->transport, route->next_hop};
        if (std::ranges::find(options_.deferred_transports, route->transport) !=
            options_.deferred_transports.end()) {
            RecipientResult result;
            result.status = {4, 3, 2};
            result.text = "deferred transport";
            apply(*entry, i, result, "error", nullptr);
            touched.push_back(i);
            continue;
        }
        groups[std::move(destination)].push_back(i);
    }
    for (auto& [destination, recipients] : groups) {
        const std::size_t limit = std::max(services_.recipient_limit(destination.transport), 1U);
        for (std::size_t at = 0; at < recipients.size(); at += limit) {
            const auto end = std::min(at + limit, recipients.size());
            Job job{key,
                    {recipients.begin() + static_cast<std::ptrdiff_t>(at),
                     recipients.begin() + static_cast<std::ptrdiff_t>(end)},
                    group};
            ++active->outstanding;
            if (scheduler_.is_dead(destination, services_.loop.clock().steady())) {
                std::vector<Scheduler::Returned> returned;
                returned.push_back(
                    {destination, {std::move(job)}, "the destination did not answer a moment ago"});
                defer_jobs(std::move(returned));
            } else {
                scheduler_.add(destination, std::move(job));
            }
        }
    }
    start_deliveries();
    co_await job_done(key, std::move(touched));
}

env::Task<void> QueueManager::run_delivery(Scheduler::Start start) {
    const MessageKey key = start.job.message;
    Entry* entry = find(key);
    const Destination destination = start.destination;
    if (!entry || entry->doomed || !entry->active) {
        scheduler_.finished(destination, Scheduler::Outcome::Reached, "", services_.loop.clock().steady());
        std::vector<std::uint32_t> nobody;
        co_await job_done(key, std::move(nobody));
        co_return;
    }
    const std::shared_ptr<Active> active = entry->active;
    DeliveryReport report;
    Transport* transport = services_.transport(destination.transport);
    if (transport) {
        DeliveryRequest request;
        request.id = entry->id;
        request.envelope = std::shared_ptr<const mail::Envelope>(active->record, &active->record->envelope);
        for (const auto index : start.job.recipients)
            request.recipients.push_back(active->record->envelope.recipients[index]);
        request.transport = destination.transport;
        request.next_hop = destination.next_hop;
        request.content = std::make_unique<StoreContent>(services_.store, entry->id, *active->record);
        request.arrived = active->record->arrived;
        request.attempt = static_cast<int>(entry->attempts);
        report = co_await transport->deliver(std::move(request));
        CHECK(report.recipients.size() == start.job.recipients.size());
    } else {
        RecipientResult unknown;
        unknown.status = {4, 3, 5};
        unknown.text =
            "mail transport '" + destination.transport + "' unavailable: no such service in master.cf";
        report.recipients.assign(start.job.recipients.size(), unknown);
    }
    const auto failed =
        std::ranges::find_if(report.recipients, [](const auto& r) { return r.destination_failed; });
    const bool dead = failed != report.recipients.end();
    scheduler_.finished(destination,
                        dead ? Scheduler::Outcome::DestinationFailed : Scheduler::Outcome::Reached,
                        dead ? failed->text : "", services_.loop.clock().steady());
    if (entry = find(key); entry) {
        const std::string& by = report.program.empty() ? destination.transport : report.program;
        for (std::size_t i = 0; i < start.job.recipients.size(); ++i)
            apply(*entry, start.job.recipients[i], report.recipients[i], by, &report);
    }
    ++unrecorded_;
    defer_jobs(scheduler_.take_returned());
    start_deliveries();
    co_await job_done(key, std::move(start.job.recipients));
    --unrecorded_;
    start_deliveries();
}

void QueueManager::defer_jobs(std::vector<Scheduler::Returned> returned) {
    for (auto& group : returned) {
        for (auto& job : group.jobs) {
            Entry* entry = find(job.message);
            if (!entry || !entry->active) continue;
            RecipientResult result;
            result.status = {4, 4, 1};
            result.text = "delivery temporarily suspended: " + group.why;
            for (const auto index : job.recipients) apply(*entry, index, result, "error", nullptr);
            ++deliveries_;
            services_.loop.spawn(job_done(job.message, std::move(job.recipients)));
        }
    }
}

void QueueManager::apply(Entry& entry, std::uint32_t index, const RecipientResult& result,
                         const std::string& service, const DeliveryReport* report) {
    Active& active = *entry.active;
    const mail::Recipient& recipient = active.record->envelope.recipients[index];
    base::DeliveryAttempt event;
    event.service = service;
    event.queue_id = entry.id.text();
    event.recipient = recipient.address.text();
    event.original_recipient = recipient.original.text();
    event.relay = result.relay;
    const auto seconds = [](auto duration) { return std::chrono::duration<double>(duration).count(); };
    const double in_queue_manager = seconds(services_.loop.clock().steady() - active.since);
    event.delay = seconds(services_.loop.clock().wall() - entry.arrived);
    const double setup = report ? report->setup_seconds : 0;
    const double transmission = report ? report->transmission_seconds : 0;
    event.delays[0] = std::max(0.0, event.delay - in_queue_manager);
    event.delays[1] = std::max(0.0, in_queue_manager - setup - transmission);
    event.delays[2] = setup;
    event.delays[3] = transmission;
    event.connection_uses = report ? report->connection_uses : 1;
    event.dsn = result.status.text();
    event.text = result.text;
    using Kind = RecipientResult::Kind;
    switch (result.kind) {
        case Kind::Delivered:
            event.outcome = base::DeliveryOutcome::Sent;
            break;
        case Kind::Expanded:
            event.outcome = base::DeliveryOutcome::Expanded;
            break;
        case Kind::Deferred:
            event.outcome = base::DeliveryOutcome::Deferred;
            break;
        case Kind::Failed:
            event.outcome = base::DeliveryOutcome::Bounced;
            break;
    }
    if (result.greylisted && result.kind == Kind::Deferred)
        event.text += " (greylisted: will be tried again soon)";
    services_.events.emit(std::move(event));
    const bool delivered = result.kind == Kind::Delivered || result.kind == Kind::Expanded;
    active.progress[index] = delivered                     ? Progress::Done
                             : result.kind == Kind::Failed ? Progress::Failed
                                                           : Progress::Deferred;
    active.results[index] = RecipientRecord{result.kind,       result.status,     result.text,
                                            result.remote_mta, result.diagnostic, result.greylisted};
    // Who took over the notification sends it (RFC 3461 §5.2.2). confirm_delay_cleared: who was told that it
    // is late hears that it arrived.
    const bool asked = mail::has(recipient.notify, mail::Notify::Success) && !result.dsn_passed_on;
    const bool cleared = options_.confirm_delay_cleared && entry.delay_warned &&
                         !mail::has(recipient.notify, mail::Notify::Never);
    if (delivered && (asked || cleared))
        active.succeeded[index] = result.kind == Kind::Expanded ? mail::DsnAction::Expanded
                                  : result.relayed              ? mail::DsnAction::Relayed
                                                                : mail::DsnAction::Delivered;
}

}  // namespace queue
