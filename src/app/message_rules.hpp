// What is done to messages that come in (Postfix's cleanup), put together from main.cf, a service's own -o
// settings and those of the cleanup service it names with cleanup_service_name.
#pragma once

#include "config/configuration.hpp"
#include "policy/message_filter.hpp"

#include <string>
#include <vector>

namespace app {

/// `configuration` with the settings of its cleanup service on top.
config::Configuration with_cleanup(const config::Configuration& configuration,
                                   const std::vector<config::Service>& services);

/// What addresses in header fields become, of those whose messages are mended (local_header_rewrite_clients).
policy::MessageFilter::Rewrite rewrite_for_own_users(routing::Routing& routing);
/// … and of others: incomplete addresses get `domain` (remote_header_rewrite_domain).
policy::MessageFilter::Rewrite rewrite_for_others(routing::Routing& routing, std::string domain);

}  // namespace app
