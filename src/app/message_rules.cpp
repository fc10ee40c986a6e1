#include "app/message_rules.hpp"

#include "base/result.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace app {

config::Configuration with_cleanup(const config::Configuration& configuration,
                                   const std::vector<config::Service>& services) {
    const std::string name = configuration.get("cleanup_service_name");
    const auto found = std::ranges::find_if(services, [&](const config::Service& service) {
        return service.name == name && service.type == "unix" && service.command == "cleanup";
    });
    return found == services.end() ? configuration : configuration.with_overrides(*found);
}

std::expected<std::shared_ptr<const HeaderRewriting>, std::string> make_header_rewriting(
    const policy::FilterOptions& options, const std::string& my_networks, routing::Routing& routing,
    tables::Factory& factory, env::FileSystem& files, const std::set<env::IpAddress>& own_addresses) {
    auto out = std::make_shared<HeaderRewriting>();
    out->routing = &routing;
    out->remote_domain = options.remote_domain;
    out->own_addresses = own_addresses;
    TRY_ASSIGN(out->networks, routing::NetworkList::make(my_networks, factory, files));
    std::string tables;
    const std::pair<std::string_view, bool*> words[] = {{"permit_inet_interfaces", &out->own_hosts},
                                                        {"permit_mynetworks", &out->my_networks},
                                                        {"permit_sasl_authenticated", &out->logged_in},
                                                        {"permit_tls_all_clientcerts", &out->certified}};
    for (const auto& word : options.local_clients) {
        const auto* known = std::ranges::find(words, word, &std::pair<std::string_view, bool*>::first);
        if (known != std::end(words))
            *known->second = true;
        else if (word.find(':') != std::string::npos)
            tables += word + " ";
        else if (word != "check_address_map")
            return std::unexpected(fmt::format("local_header_rewrite_clients: '{}' is none of its words",
                                               base::printable(word, 60)));
    }
    TRY_ASSIGN(out->listed, routing::NetworkList::make(tables, factory, files));
    return out;
}

policy::MessageFilter::Rewrite rewrite_for_own_users(routing::Routing& routing) {
    return [&routing](mail::Address address, routing::AddressRole role) {
        return routing.mapped(std::move(address), role);
    };
}

env::Task<policy::MessageFilter::Rewrite> rewrite_for(std::shared_ptr<const HeaderRewriting> rules,
                                                      policy::Facts client) {
    const auto& address = client.client.address;
    bool local = (rules->logged_in && !client.sasl_username.empty()) ||
                 (rules->certified && client.client_certificate_verified) ||
                 (rules->own_hosts && (address.is_loopback() || rules->own_addresses.contains(address)));
    if (!local && rules->my_networks) {
        auto inside = co_await rules->networks.contains(address);
        local = inside.value_or(false);
    }
    if (!local) {
        auto inside = co_await rules->listed.contains(address);
        local = inside.value_or(false);
    }
    if (local) co_return rewrite_for_own_users(*rules->routing);
    if (rules->remote_domain.empty()) co_return policy::MessageFilter::Rewrite{};
    co_return [rules](mail::Address given, routing::AddressRole role) {
        if (given.domain.empty()) given.domain = rules->remote_domain;
        return rules->routing->mapped(std::move(given), role);
    };
}

}  // namespace app
