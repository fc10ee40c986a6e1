// What postrider check says of outbound mail: transports as the server would make them, DANE, notices.
#pragma once

#include "app/front.hpp"
#include "config/diagnostics.hpp"

#include <set>

namespace commands {

void check_outbound(const app::Site& site, const app::LoopEnvironment& environment,
                    const std::set<env::IpAddress>& own_addresses, config::Diagnostics& diagnostics);

}  // namespace commands
