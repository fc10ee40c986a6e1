#include "queue/scheduler.hpp"

#include "base/check.hpp"

#include <algorithm>

namespace queue {

void Scheduler::list(const Destination& destination, Queue& queue) {
    if (queue.listed || queue.waiting == 0) return;
    queue.listed = true;
    turns_.push_back(destination);
}

void Scheduler::add(const Destination& destination, Job job) {
    auto [at, is_new] = queues_.try_emplace(destination);
    Queue& queue = at->second;
    if (is_new) {
        queue.options = options_(destination.transport);
        queue.window =
            std::min(queue.options.initial_concurrency, std::max(queue.options.concurrency_limit, 1U));
    }
    const auto known = queue.by_message.find(job.message);
    if (known == queue.by_message.end()) {
        const MessageKey message = job.message;
        queue.messages.emplace_back(message, std::deque<Job>{});
        queue.messages.back().second.push_back(std::move(job));
        queue.by_message.emplace(message, std::prev(queue.messages.end()));
    } else {
        known->second->second.push_back(std::move(job));
    }
    ++queue.waiting;
    list(destination, queue);
}

bool Scheduler::may_start(const Queue& queue, env::SteadyTime now) const {
    if (queue.waiting == 0 || now < queue.not_before) return false;
    const auto window =
        queue.options.rate_delay.count() > 0 ? 1U : static_cast<std::uint32_t>(std::max(queue.window, 1.0));
    return queue.running < window;
}

std::optional<Scheduler::Start> Scheduler::next(env::SteadyTime now) {
    for (std::size_t tried = turns_.size(); tried > 0; --tried) {
        Destination destination = std::move(turns_.front());
        turns_.pop_front();
        Queue& queue = queues_.at(destination);
        queue.listed = false;
        auto& in_transport = running_by_transport_[destination.transport];
        const bool room = queue.options.process_limit == 0 || in_transport < queue.options.process_limit;
        if (!room || !may_start(queue, now)) {
            list(destination, queue);
            continue;
        }
        auto message = queue.messages.begin();
        Start out{destination, std::move(message->second.front())};
        message->second.pop_front();
        if (message->second.empty()) {
            queue.by_message.erase(message->first);
            queue.messages.erase(message);
        } else {
            queue.messages.splice(queue.messages.end(), queue.messages, message);  // the next message's turn
        }
        --queue.waiting;
        ++queue.running;
        ++in_transport;
        if (queue.options.rate_delay.count() > 0) queue.not_before = now + queue.options.rate_delay;
        list(destination, queue);
        return out;
    }
    return std::nullopt;
}

void Scheduler::finished(const Destination& destination, Outcome outcome, const std::string& why,
                         env::SteadyTime now) {
    const auto at = queues_.find(destination);
    CHECK(at != queues_.end() && at->second.running > 0);
    Queue& queue = at->second;
    --queue.running;
    --running_by_transport_[destination.transport];
    if (outcome == Outcome::Reached) {
        queue.failures = 0;
        queue.dead_until = {};
        const double limit = std::max(queue.options.concurrency_limit, 1U);
        queue.window = std::min(limit, queue.window + 1.0 / std::max(queue.window, 1.0));
    } else {
        queue.why = why;
        queue.failures += 1.0 / std::max(queue.window, 1.0);
        queue.window = std::max(1.0, queue.window - 1.0 / std::max(queue.window, 1.0));
        constexpr double nearly = 0.999;  // sums of fractions
        if (queue.failures >= queue.options.failed_cohort_limit * nearly) {
            queue.dead_until = now + queue.options.dead_time;
            queue.failures = 0;
            queue.window = 1;
            Returned returned{destination, {}, why};
            for (auto& [message, jobs] : queue.messages)
                for (auto& job : jobs) returned.jobs.push_back(std::move(job));
            queue.messages.clear();
            queue.by_message.clear();
            queue.waiting = 0;
            if (!returned.jobs.empty()) returned_.push_back(std::move(returned));
        }
    }
    // Nothing to remember: the next job begins anew.
    if (queue.running == 0 && queue.waiting == 0 && queue.dead_until <= now && queue.not_before <= now) {
        if (queue.listed) std::erase(turns_, destination);
        queues_.erase(at);
    }
}

std::vector<Scheduler::Returned> Scheduler::take_returned() { return std::exchange(returned_, {}); }

bool Scheduler::is_dead(const Destination& destination, env::SteadyTime now) const {
    const auto at = queues_.find(destination);
    return at != queues_.end() && now < at->second.dead_until;
}

std::optional<env::SteadyTime> Scheduler::next_change() const {
    std::optional<env::SteadyTime> out;
    for (const auto& destination : turns_) {
        const auto& queue = queues_.at(destination);
        if (queue.waiting > 0 && queue.options.rate_delay.count() > 0 && queue.running == 0)
            out = out ? std::min(*out, queue.not_before) : queue.not_before;
    }
    return out;
}

void Scheduler::remove(MessageKey message) {
    for (auto& [destination, queue] : queues_) {
        const auto at = queue.by_message.find(message);
        if (at == queue.by_message.end()) continue;
        queue.waiting -= at->second->second.size();
        queue.messages.erase(at->second);
        queue.by_message.erase(at);
    }
}

std::vector<Scheduler::DestinationState> Scheduler::snapshot(env::SteadyTime now) const {
    std::vector<DestinationState> out;
    for (const auto& [destination, queue] : queues_)
        out.push_back(
            {destination, queue.waiting, queue.running, queue.window, now < queue.dead_until, queue.why});
    return out;
}

}  // namespace queue
