// The private keys that sign, watched: whether a file has changed, and whether the DNS still holds their
// public halves. What it says goes to the log, to `postrider status` and to `postrider check`.
#pragma once

#include "app/site.hpp"
#include "env/file_system.hpp"
#include "env/resolver.hpp"
#include "policy/signing_keys.hpp"

#include <string>
#include <vector>

namespace app {

/// Changes whenever a key, a table or a state of rotation does, of main.cf or of a service.
std::string signing_key_stamp(const Site& site, env::FileSystem& files);

/// A sentence for each key whose record is missing, revoked or another's. A DNS that does not answer says
/// nothing.
env::Task<std::vector<std::string>> signing_key_warnings(env::Resolver& resolver,
                                                         std::shared_ptr<const Site> site,
                                                         env::FileSystem& files);

}  // namespace app
