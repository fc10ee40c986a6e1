// How many deliveries a transport may run, to one destination and in all: default_destination_… and friends,
// what main.cf says for one transport (<transport>_destination_…), and the process limit of its line in
// master.cf.
#pragma once

#include "base/parameter.hpp"
#include "config/configuration.hpp"
#include "config/diagnostics.hpp"
#include "config/master_cf.hpp"
#include "queue/scheduler.hpp"

#include <chrono>
#include <map>
#include <string>
#include <vector>

namespace app {

struct TransportLimitOptions {
    std::uint32_t initial_concurrency = 5, concurrency = 20, recipients = 50, cohort = 1, processes = 100;
    std::string positive, negative;
    std::chrono::seconds rate_delay{0}, transport_rate_delay{0};
    static constexpr void describe(auto& parameter) {
        using namespace std::chrono_literals;
        using O = TransportLimitOptions;
        using base::Between;
        parameter("initial_destination_concurrency", &O::initial_concurrency, Between{1, 100000},
                  "How many deliveries to a new destination run at once.");
        parameter("default_destination_concurrency_limit", &O::concurrency, Between{0, 100000},
                  "The most deliveries at once to one destination; 0: no limit.");
        parameter("default_destination_recipient_limit", &O::recipients, Between{0, 100000},
                  "The most recipients in one delivery; 0: no limit.");
        parameter("default_destination_concurrency_failed_cohort_limit", &O::cohort, Between{0, 1000},
                  "After how many failed rounds a destination is left alone for a while; 0: never.");
        parameter("default_destination_concurrency_positive_feedback", &O::positive, base::Default{"1"},
                  "How much a delivery that succeeds adds to the concurrency of its destination: a number "
                  "from 0 to 1, "
                  "number/concurrency or number/sqrt_concurrency.");
        parameter("default_destination_concurrency_negative_feedback", &O::negative, base::Default{"1"},
                  "How much a destination that fails takes from its concurrency, in the same forms.");
        parameter("default_destination_rate_delay", &O::rate_delay, Between{0s, 86400s},
                  "A pause after each delivery to one destination, which then gets one delivery at a time.");
        parameter("default_transport_rate_delay", &O::transport_rate_delay, Between{0s, 86400s},
                  "The shortest time between the starts of two deliveries of one transport.");
        parameter("default_process_limit", &O::processes, Between{1, 100000},
                  "The most deliveries of one transport at once, where master.cf gives no number for it.");
    }
};

/// What the options and <transport>_… settings come to. Values, copied freely.
class TransportLimits {
 public:
    /// Wrong values are said with file and line; the default holds for them.
    static TransportLimits make(const config::Configuration& configuration,
                                const std::vector<config::Service>& services,
                                config::Diagnostics& diagnostics);
    const queue::DestinationOptions& destination(const std::string& transport) const;
    /// Recipients in one delivery, at most.
    std::uint32_t recipients(const std::string& transport) const;

 private:
    struct Limits {
        queue::DestinationOptions destination;
        std::uint32_t recipients = 50;
    };
    const Limits& of(const std::string& transport) const;
    Limits default_;
    std::map<std::string, Limits> by_transport_;
};

/// "transport_time_limit" of a program's transport, where it is set.
void own_time_limit(const config::Configuration& configuration, const std::string& transport,
                    std::chrono::seconds& limit, config::Diagnostics& diagnostics);

}  // namespace app
