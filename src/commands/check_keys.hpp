// What postrider check says of keys, secrets and certificates: who can read them, whether they fit what
// signs, and whether the DNS holds the public halves.
#pragma once

#include "app/site.hpp"
#include "config/diagnostics.hpp"

namespace commands {

void check_keys(const std::shared_ptr<const app::Site>& site, env::FileSystem& files,
                config::Diagnostics& diagnostics);

}  // namespace commands
