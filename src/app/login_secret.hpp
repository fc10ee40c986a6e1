// The secret that makes unknown users look like known ones (RFC 5802: salts) in the same way on every loop
// and after every restart. It lies in the store, beside the count of starts; it protects nothing else.
#pragma once

#include "env/random.hpp"
#include "env/store.hpp"

#include <string>

namespace app {

/// Reads it; made the first time. `ok`: false when the store failed.
env::Task<void> read_login_secret(env::Store& store, env::Random& random, std::string& secret, bool& ok);

}  // namespace app
