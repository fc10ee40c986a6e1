#include "queue/scheduler.hpp"

#include "base/check.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace queue {
namespace {

constexpr double nearly = 0.001;  // sums of fractions

std::optional<double> parse_fraction(std::string_view text) {
    double out = 0;
    const auto* end = text.data() + text.size();
    const auto got = std::from_chars(text.data(), end, out, std::chars_format::fixed);
    if (text.empty() || got.ec != std::errc{} || got.ptr != end) return std::nullopt;
    return out;
}

}  // namespace

std::optional<Feedback> Feedback::parse(std::string_view text) {
    const auto slash = text.find('/');
    const auto number = parse_fraction(base::trim(text.substr(0, slash)));
    if (!number) return std::nullopt;
    Feedback out;
    out.value = *number;
    if (slash != std::string_view::npos) {
        const auto divisor = base::trim(text.substr(slash + 1));
        if (base::iequals(divisor, "concurrency")) {
            out.per = Per::Concurrency;
        } else if (base::iequals(divisor, "sqrt_concurrency")) {
            out.per = Per::SquareRoot;
        } else {
            const auto by = parse_fraction(divisor);
            if (!by || !(*by > 0)) return std::nullopt;
            out.value /= *by;
        }
    }
    if (!(out.value >= 0 && out.value <= 1)) return std::nullopt;  // not a number neither
    return out;
}

double Feedback::of(double window) const {
    switch (per) {
        case Per::Delivery:
            break;
        case Per::Concurrency:
            return value / window;
        case Per::SquareRoot:
            return value / std::sqrt(window);
    }
    return value;
}

std::uint32_t Scheduler::window(const Queue& queue) const {
    return queue.options.rate_delay.count() > 0 ? 1U : static_cast<std::uint32_t>(queue.window + nearly);
}

/// Where the destination has to stand now.
void Scheduler::place(Queue& queue, env::SteadyTime now) {
    auto wanted = Queue::Place::Nowhere;
    if (queue.waiting > 0 && queue.running < window(queue))
        wanted = now < queue.not_before ? Queue::Place::Delayed : Queue::Place::InTurn;
    else if (queue.waiting == 0 && queue.running == 0)
        wanted = Queue::Place::Resting;
    if (wanted == queue.place) return;
    displace(queue);
    queue.place = wanted;
    if (wanted == Queue::Place::InTurn) {
        queue.turn = queue.transport->turns.insert(queue.transport->turns.end(), &queue);
    } else if (wanted == Queue::Place::Delayed) {
        delayed_.emplace(queue.not_before, &queue);
    } else if (wanted == Queue::Place::Resting) {
        const bool died = queue.dead_until != env::SteadyTime{};
        queue.rests_until = std::max(died ? queue.dead_until + queue.options.probe_memory : queue.dead_until,
                                     queue.not_before);
        resting_.emplace(queue.rests_until, &queue);
    }
}

void Scheduler::displace(Queue& queue) {
    if (queue.place == Queue::Place::InTurn) queue.transport->turns.erase(queue.turn);
    if (queue.place == Queue::Place::Delayed) delayed_.erase({queue.not_before, &queue});
    if (queue.place == Queue::Place::Resting) resting_.erase({queue.rests_until, &queue});
    queue.place = Queue::Place::Nowhere;
}

void Scheduler::insert(Queue& queue, Job job) {
    auto [message, is_new] = queue.by_message.try_emplace(job.message);
    if (is_new) {
        auto [sender, new_sender] = queue.by_sender.try_emplace(job.sender);
        if (new_sender) sender->second = queue.senders.insert(queue.senders.end(), {job.sender, {}});
        auto& messages = sender->second->messages;
        message->second = messages.insert(messages.end(), {job.message, {}});
    }
    message->second->jobs.push_back(std::move(job));
}

/// The next job; behind it the turn passes on.
Job Scheduler::take(Queue& queue) {
    const auto sender = queue.senders.begin();
    auto& messages = sender->messages;
    const auto message = messages.begin();
    Job out = std::move(message->jobs.front());
    message->jobs.pop_front();
    if (message->jobs.empty()) {
        queue.by_message.erase(message->key);
        messages.erase(message);
    } else {
        messages.splice(messages.end(), messages, message);
    }
    if (messages.empty()) {
        queue.by_sender.erase(sender->group);
        queue.senders.erase(sender);
    } else {
        queue.senders.splice(queue.senders.end(), queue.senders, sender);
    }
    return out;
}

void Scheduler::add(const Destination& destination, Job job) {
    auto [at, is_new] = queues_.try_emplace(destination);
    Queue& queue = at->second;
    if (is_new) {
        queue.name = &at->first;
        queue.transport = &transports_[destination.transport];
        queue.options = options_(destination.transport);
        const auto limit = queue.options.concurrency_limit;
        const auto initial = std::max(queue.options.initial_concurrency, 1U);
        queue.window = limit > 0 ? std::min(initial, limit) : initial;
    }
    insert(queue, std::move(job));
    ++queue.waiting;
    if (queue.place == Queue::Place::InTurn || queue.place == Queue::Place::Delayed) return;
    // That a delay is over is noticed by next().
    const bool never_delayed = queue.not_before == env::SteadyTime{};
    place(queue, never_delayed ? queue.not_before : env::SteadyTime::min());
}

std::optional<Scheduler::Start> Scheduler::next(env::SteadyTime now) {
    while (!delayed_.empty() && delayed_.begin()->first <= now) place(*delayed_.begin()->second, now);
    while (!resting_.empty() && resting_.begin()->first <= now) {
        Queue& done = *resting_.begin()->second;
        displace(done);
        const Destination name = *done.name;
        queues_.erase(name);
    }
    // From the transport behind the last one, once around.
    auto at = transports_.upper_bound(last_transport_);
    for (std::size_t left = transports_.size(); left > 0; --left, ++at) {
        if (at == transports_.end()) at = transports_.begin();
        Transport& transport = at->second;
        if (transport.turns.empty() || now < transport.not_before) continue;
        Queue& queue = *transport.turns.front();
        if (queue.options.process_limit > 0 && transport.running >= queue.options.process_limit) continue;
        last_transport_ = at->first;
        return start(queue, now);
    }
    return std::nullopt;
}

Scheduler::Start Scheduler::start(Queue& queue, env::SteadyTime now) {
    displace(queue);
    Start out{*queue.name, take(queue)};
    --queue.waiting;
    ++queue.running;
    ++queue.transport->running;
    if (queue.options.transport_rate_delay.count() > 0)
        queue.transport->not_before = now + queue.options.transport_rate_delay;
    place(queue, now);
    return out;
}

void Scheduler::open_window(Queue& queue) {
    queue.failures = 0;
    queue.dead_until = {};
    queue.why.clear();
    // Only a window that is used says that a larger one would be (Postfix's qmgr_queue_unthrottle()).
    if (queue.window >= queue.running + 1.0 + queue.options.initial_concurrency) return;
    queue.window += queue.options.positive.of(queue.window);
    if (queue.options.concurrency_limit > 0)
        queue.window = std::min<double>(queue.window, queue.options.concurrency_limit);
}

void Scheduler::fail(Queue& queue, const std::string& why, env::SteadyTime now) {
    queue.why = why;
    queue.failures += 1.0 / queue.window;
    queue.window = std::max(1.0, queue.window - queue.options.negative.of(queue.window));
    if (queue.options.failed_cohort_limit == 0 || queue.failures + nearly < queue.options.failed_cohort_limit)
        return;
    queue.dead_until = now + queue.options.dead_time;
    queue.failures = 0;
    queue.window = 1;
    displace(queue);
    Returned returned{*queue.name, {}, why};
    for (auto& sender : queue.senders)
        for (auto& message : sender.messages)
            for (auto& job : message.jobs) returned.jobs.push_back(std::move(job));
    queue.senders.clear();
    queue.by_sender.clear();
    queue.by_message.clear();
    queue.waiting = 0;
    if (!returned.jobs.empty()) returned_.push_back(std::move(returned));
}

void Scheduler::finished(const Destination& destination, Outcome outcome, const std::string& why,
                         env::SteadyTime now) {
    const auto at = queues_.find(destination);
    CHECK(at != queues_.end() && at->second.running > 0);
    Queue& queue = at->second;
    displace(queue);
    --queue.running;
    --queue.transport->running;
    if (outcome == Outcome::Reached)
        open_window(queue);
    else
        fail(queue, why, now);
    if (queue.options.rate_delay.count() > 0) queue.not_before = now + queue.options.rate_delay;
    place(queue, now);
}

std::vector<Scheduler::Returned> Scheduler::take_returned() { return std::exchange(returned_, {}); }

bool Scheduler::is_dead(const Destination& destination, env::SteadyTime now) const {
    const auto at = queues_.find(destination);
    return at != queues_.end() && now < at->second.dead_until;
}

std::optional<env::SteadyTime> Scheduler::next_change(env::SteadyTime now) const {
    std::optional<env::SteadyTime> out;
    if (!delayed_.empty()) out = delayed_.begin()->first;
    for (const auto& [name, transport] : transports_)
        if (!transport.turns.empty() && transport.not_before > now)
            out = std::min(out.value_or(transport.not_before), transport.not_before);
    return out;
}

std::vector<Scheduler::DestinationState> Scheduler::snapshot(env::SteadyTime now) const {
    std::vector<DestinationState> out;
    using Waits = DestinationState::Waits;
    for (const auto& [destination, queue] : queues_) {
        DestinationState state{destination,  queue.waiting,          queue.running,
                               queue.window, now < queue.dead_until, queue.why};
        const auto limit = queue.options.process_limit;
        if (state.dead) {
            state.waits = Waits::Dead;
            state.until = queue.dead_until;
        } else if (queue.waiting > 0 && queue.running >= window(queue)) {
            state.waits = Waits::Window;
        } else if (queue.waiting > 0 && now < queue.not_before) {
            state.waits = Waits::RateDelay;
            state.until = queue.not_before;
        } else if (queue.waiting > 0 && limit > 0 && queue.transport->running >= limit) {
            state.waits = Waits::Transport;
        }
        out.push_back(std::move(state));
    }
    return out;
}

}  // namespace queue
