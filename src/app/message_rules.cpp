#include "app/message_rules.hpp"

#include <algorithm>

namespace app {

config::Configuration with_cleanup(const config::Configuration& configuration,
                                   const std::vector<config::Service>& services) {
    const std::string name = configuration.get("cleanup_service_name");
    const auto found = std::ranges::find_if(services, [&](const config::Service& service) {
        return service.name == name && service.type == "unix" && service.command == "cleanup";
    });
    return found == services.end() ? configuration : configuration.with_overrides(*found);
}

policy::MessageFilter::Rewrite rewrite_for_own_users(routing::Routing& routing) {
    return [&routing](mail::Address address, routing::AddressRole role) {
        return routing.mapped(std::move(address), role);
    };
}

policy::MessageFilter::Rewrite rewrite_for_others(routing::Routing& routing, std::string domain) {
    return [&routing, domain = std::move(domain)](mail::Address address, routing::AddressRole role) {
        if (address.domain.empty()) address.domain = domain;
        return routing.mapped(std::move(address), role);
    };
}

}  // namespace app
