// What is done to messages that come in (Postfix's cleanup), put together from main.cf, a service's own -o
// settings and those of the cleanup service it names with cleanup_service_name.
#pragma once

#include "config/configuration.hpp"
#include "policy/judge.hpp"
#include "policy/message_filter.hpp"
#include "routing/match_list.hpp"

#include <expected>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace app {

/// `configuration` with the settings of its cleanup service on top.
config::Configuration with_cleanup(const config::Configuration& configuration,
                                   const std::vector<config::Service>& services);

/// Whose header fields are completed and rewritten (local_header_rewrite_clients).
struct HeaderRewriting {
    bool own_hosts = false, my_networks = false, logged_in = false, certified = false;
    std::set<env::IpAddress> own_addresses;
    routing::NetworkList networks, listed;
    std::string remote_domain;
    routing::Routing* routing = nullptr;
};
std::expected<std::shared_ptr<const HeaderRewriting>, std::string> make_header_rewriting(
    const policy::FilterOptions& options, const std::string& my_networks, routing::Routing& routing,
    tables::Factory& factory, env::FileSystem& files, const std::set<env::IpAddress>& own_addresses);

/// What an address of a header field of this client becomes; empty: it stays.
env::Task<policy::MessageFilter::Rewrite> rewrite_for(std::shared_ptr<const HeaderRewriting> rules,
                                                      policy::Facts client);
/// The same for this machine's own users.
policy::MessageFilter::Rewrite rewrite_for_own_users(routing::Routing& routing);

}  // namespace app
