// Every list and every table of a configuration by itself, so that all that are wrong are said, each with its
// place.
#pragma once

#include "app/front.hpp"
#include "app/site.hpp"
#include "config/diagnostics.hpp"

#include <functional>

namespace commands {

/// Those of main.cf, and the overrides of each service with the configuration they make.
void for_all_settings(const app::Site& site,
                      const std::function<void(const config::Configuration&, const config::Setting&)>& judge);

void check_lists(const app::Site& site, const app::LoopEnvironment& environment,
                 config::Diagnostics& diagnostics);
/// Transports that nothing in master.cf runs.
void check_transports(const app::Site& site, config::Diagnostics& diagnostics);

}  // namespace commands
