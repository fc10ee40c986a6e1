// What the machine says of itself: host name, addresses, user ids. The only place that asks.
#pragma once

#include "config/configuration.hpp"
#include "env/network.hpp"

#include <cstdint>
#include <set>
#include <string>

namespace app {

config::Machine inspect_machine();
std::set<env::IpAddress> own_addresses();
/// Takes as many file descriptors as the system grants (the soft limit becomes the hard one), and says how
/// many.
std::uint64_t raise_descriptor_limit();
/// Becomes `user` for good (groups, gid, uid); refuses to stay root. "" or what went wrong.
std::string drop_privileges(const std::string& user);

}  // namespace app
