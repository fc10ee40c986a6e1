// A configuration directory as a value: main.cf and master.cf, read and judged. Everything that runs is built
// from it.
#pragma once

#include "config/bind.hpp"
#include "config/configuration.hpp"
#include "env/file_system.hpp"

#include <memory>
#include <string>
#include <vector>

namespace app {

struct Site {
    std::string directory;
    std::shared_ptr<const config::Configuration> configuration;
    std::vector<config::Service> services;
};

/// Every parameter this program knows.
std::shared_ptr<const config::Registry> make_registry();

/// Reads the directory. Errors and warnings go to `diagnostics`; the result is null only when main.cf cannot
/// be read.
std::shared_ptr<const Site> load_site(const std::string& directory, env::FileSystem& files,
                                      const config::Machine& machine, config::Diagnostics& diagnostics);

}  // namespace app
