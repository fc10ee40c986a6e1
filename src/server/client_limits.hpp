// What one client address may do at once and per time unit (smtpd_client_*_limit; Postfix's anvil). Shared by
// all network loops: the one place outside platform/ with a mutex. Memory is bounded: addresses without
// activity are forgotten.
#pragma once

#include "base/parameter.hpp"
#include "env/clock.hpp"
#include "env/network.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace server {

struct ClientLimitOptions {
    std::uint32_t connection_count = 50;
    std::uint32_t connection_rate = 0;
    std::uint32_t message_rate = 0;
    std::uint32_t recipient_rate = 0;
    std::uint32_t new_tls_session_rate = 0;
    std::chrono::seconds time_unit{60};
    std::vector<std::string> exceptions;
    std::uint32_t connections_max = 10000;
    static constexpr void describe(auto& parameter) {
        using namespace std::chrono_literals;
        using O = ClientLimitOptions;
        parameter("smtpd_client_connection_count_limit", &O::connection_count, base::Between{0, 1000000},
                  "How many connections one client may have at once; 0: no limit.");
        parameter("smtpd_client_connection_rate_limit", &O::connection_rate, base::Between{0, 1000000},
                  "How many connections one client may make per anvil_rate_time_unit; 0: no limit.");
        parameter("smtpd_client_message_rate_limit", &O::message_rate, base::Between{0, 1000000},
                  "How many messages one client may send per anvil_rate_time_unit; 0: no limit.");
        parameter("smtpd_client_recipient_rate_limit", &O::recipient_rate, base::Between{0, 1000000},
                  "How many recipients one client may name per anvil_rate_time_unit; 0: no limit.");
        parameter("smtpd_client_new_tls_session_rate_limit", &O::new_tls_session_rate,
                  base::Between{0, 1000000},
                  "How many TLS handshakes one client may start per anvil_rate_time_unit; 0: no limit.");
        parameter("anvil_rate_time_unit", &O::time_unit, base::Between{1s, 86400s},
                  "The time unit of the rate limits.");
        parameter("smtpd_client_event_limit_exceptions", &O::exceptions,
                  base::Default{"${smtpd_client_connection_limit_exceptions:$mynetworks}"},
                  "Clients without these limits.");
        parameter("postrider_connection_limit", &O::connections_max, base::Between{1, 1000000},
                  "How many clients may be connected to all services at once.");
    }
};

class ClientLimits {
 public:
    enum class Kind { Connection, Message, Recipient, TlsSession };
    /// Counts one event. The text says which limit is exceeded; nullopt: go on. A refused connection is
    /// counted and must be given back with disconnected() too.
    std::optional<std::string> count(const env::IpAddress& client, Kind kind,
                                     const ClientLimitOptions& limits, env::SteadyTime now);
    void disconnected(const env::IpAddress& client);

 private:
    struct Client {
        std::uint32_t connections = 0;
        env::SteadyTime window_start{};
        std::uint32_t events[4] = {};
    };
    void forget_idle(env::SteadyTime now, std::chrono::seconds unit);
    std::mutex mutex_;
    std::map<env::IpAddress, Client> clients_;
    std::size_t next_sweep_ = 1000;
};

}  // namespace server
