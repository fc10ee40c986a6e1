#include "server/client_limits.hpp"

#include <fmt/format.h>

namespace server {

void ClientLimits::forget_idle(env::SteadyTime now, std::chrono::seconds unit) {
    std::erase_if(clients_, [&](const auto& entry) {
        return entry.second.connections == 0 && now - entry.second.window_start > unit;
    });
    next_sweep_ = clients_.size() * 2 + 1000;
}

std::optional<std::string> ClientLimits::count(const env::IpAddress& address, Kind kind,
                                               const ClientLimitOptions& limits, env::SteadyTime now) {
    const std::lock_guard lock(mutex_);
    if (clients_.size() > next_sweep_) forget_idle(now, limits.time_unit);
    Client& client = clients_[address];
    if (now - client.window_start > limits.time_unit || client.window_start == env::SteadyTime{}) {
        client.window_start = now;
        for (auto& count : client.events) count = 0;
    }
    const auto events = ++client.events[static_cast<std::size_t>(kind)];
    const auto over = [&](std::string_view what, std::uint32_t value,
                          std::uint32_t limit) -> std::optional<std::string> {
        if (limit == 0 || value <= limit) return std::nullopt;
        return fmt::format("{} limit exceeded: {} from {}", what, value, address.text());
    };
    switch (kind) {
        case Kind::Connection: {
            auto concurrent = over("Connection concurrency", ++client.connections, limits.connection_count);
            return concurrent ? concurrent : over("Connection rate", events, limits.connection_rate);
        }
        case Kind::Message:
            return over("Message delivery request rate", events, limits.message_rate);
        case Kind::Recipient:
            return over("Recipient address rate", events, limits.recipient_rate);
        case Kind::TlsSession:
            return over("New TLS session rate", events, limits.new_tls_session_rate);
    }
    return std::nullopt;
}

void ClientLimits::disconnected(const env::IpAddress& address) {
    const std::lock_guard lock(mutex_);
    const auto found = clients_.find(address);
    if (found != clients_.end() && found->second.connections > 0) --found->second.connections;
}

}  // namespace server
