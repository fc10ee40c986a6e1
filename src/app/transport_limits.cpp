#include "app/transport_limits.hpp"

#include "base/text.hpp"
#include "config/bind.hpp"
#include "config/values.hpp"

#include <fmt/format.h>
#include <functional>
#include <limits>

namespace app {
namespace {

std::uint32_t or_without_end(std::uint64_t number) {
    return number == 0 ? std::numeric_limits<std::uint32_t>::max() : static_cast<std::uint32_t>(number);
}

/// One setting of one transport: reads it, complains about it.
class Reader {
 public:
    Reader(const config::Configuration& configuration, config::Diagnostics& diagnostics,
           std::string transport)
        : configuration_(configuration), diagnostics_(diagnostics), transport_(std::move(transport)) {}

    void number(std::string_view suffix, std::uint32_t& into) const {
        read(suffix, "a number from 0 to 100000", [&into](const std::string& text) {
            const auto value = base::parse_number(text, 100000);
            if (value) into = static_cast<std::uint32_t>(*value);
            return value.has_value();
        });
    }
    void time(std::string_view suffix, std::chrono::seconds& into) const {
        read(suffix, "a time (5s, 2m)", [&into](const std::string& text) {
            const auto value = config::parse_time(text, 's');
            if (value) into = *value;
            return value.has_value();
        });
    }
    void feedback(std::string_view suffix, queue::Feedback& into) const {
        read(suffix, "a number from 0 to 1, number/concurrency or number/sqrt_concurrency",
             [&into](const std::string& text) {
                 const auto value = queue::Feedback::parse(text);
                 if (value) into = *value;
                 return value.has_value();
             });
    }

 private:
    void read(std::string_view suffix, std::string_view wanted,
              const std::function<bool(const std::string&)>& take) const {
        const std::string name = transport_ + std::string(suffix);
        if (!configuration_.is_set(name)) return;
        const auto text = configuration_.get(name);
        if (take(text)) return;
        const auto origin = configuration_.origin(name);
        diagnostics_.add(config::Severity::Error, origin.file, origin.line,
                         fmt::format("{} = '{}' is not {}", name, base::printable(text, 60), wanted));
    }
    const config::Configuration& configuration_;
    config::Diagnostics& diagnostics_;
    std::string transport_;
};

}  // namespace

TransportLimits TransportLimits::make(const config::Configuration& configuration,
                                      const std::vector<config::Service>& services,
                                      config::Diagnostics& diagnostics) {
    TransportLimits out;
    const auto options = config::bind<TransportLimitOptions>(configuration, diagnostics);
    auto& base = out.default_.destination;
    base.initial_concurrency = options.initial_concurrency;
    base.concurrency_limit = options.concurrency;
    base.failed_cohort_limit = options.cohort;
    base.process_limit = options.processes;
    base.rate_delay = options.rate_delay;
    base.transport_rate_delay = options.transport_rate_delay;
    // As long as the messages that made it dead wait at least.
    base.dead_time =
        config::parse_time(configuration.get("minimal_backoff_time"), 's').value_or(base.dead_time);
    const Reader defaults(configuration, diagnostics, "default");
    defaults.feedback("_destination_concurrency_positive_feedback", base.positive);
    defaults.feedback("_destination_concurrency_negative_feedback", base.negative);
    out.default_.recipients = or_without_end(options.recipients);
    auto names = std::map<std::string, std::string>{
        // transport, its process limit
        {"local", "-"}, {"virtual", "-"}, {"smtp", "-"}, {"relay", "-"}, {"lmtp", "-"}, {"discard", "-"}};
    for (const auto& service : services)
        if (service.type == "unix") names.insert_or_assign(service.name, service.process_limit);
    for (const auto& [name, processes] : names) {
        auto& limits = out.by_transport_.emplace(name, out.default_).first->second;
        auto& destination = limits.destination;
        if (const auto number = base::parse_number(processes, 100000))
            destination.process_limit = static_cast<std::uint32_t>(*number);
        // One recipient a delivery where the mailbox is ours, as Postfix's local and virtual have it.
        std::uint32_t recipients = name == "virtual" || name == "local" ? 1 : options.recipients;
        const Reader own(configuration, diagnostics, name);
        own.number("_destination_recipient_limit", recipients);
        limits.recipients = or_without_end(recipients);
        own.number("_initial_destination_concurrency", destination.initial_concurrency);
        own.number("_destination_concurrency_limit", destination.concurrency_limit);
        own.number("_destination_concurrency_failed_cohort_limit", destination.failed_cohort_limit);
        own.feedback("_destination_concurrency_positive_feedback", destination.positive);
        own.feedback("_destination_concurrency_negative_feedback", destination.negative);
        own.time("_destination_rate_delay", destination.rate_delay);
        own.time("_transport_rate_delay", destination.transport_rate_delay);
    }
    return out;
}

void own_time_limit(const config::Configuration& configuration, const std::string& transport,
                    std::chrono::seconds& limit, config::Diagnostics& diagnostics) {
    Reader(configuration, diagnostics, transport).time("_time_limit", limit);
}

const TransportLimits::Limits& TransportLimits::of(const std::string& transport) const {
    const auto found = by_transport_.find(transport);
    return found == by_transport_.end() ? default_ : found->second;
}

const queue::DestinationOptions& TransportLimits::destination(const std::string& transport) const {
    return of(transport).destination;
}

std::uint32_t TransportLimits::recipients(const std::string& transport) const {
    return of(transport).recipients;
}

}  // namespace app
