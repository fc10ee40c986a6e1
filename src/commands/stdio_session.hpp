// sendmail -bs and -bv: an SMTP session on standard input and output, and what would become of addresses;
// both without the server.
#pragma once

#include "app/site.hpp"
#include "queue/maildrop.hpp"

#include <functional>
#include <string>
#include <vector>

namespace commands {

/// `keep` makes a message durable; "" or what went wrong.
int stdio_session(const app::Site& site,
                  const std::function<std::string(const queue::DroppedMessage&)>& keep);

/// Says of each address whether and how it would be delivered. Exit status: 0 all deliverable, EX_NOUSER one
/// is not.
int verify_recipients(const app::Site& site, const std::vector<std::string>& recipients);

}  // namespace commands
