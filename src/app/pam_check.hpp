// One login judged by PAM (pam(3)): authentication, then whether the account may be used. Blocking, and the
// modules are others' code: in a process of its own, which ends itself when time is up.
#pragma once

#include "accounts/pam_authenticator.hpp"

namespace app {

accounts::LoginAnswer check_with_pam(const accounts::PamQuestion& question);

}  // namespace app
