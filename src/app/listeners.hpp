// The sockets the server listens on, bound while it still has root's power.
#pragma once

#include "acme/options.hpp"
#include "app/options.hpp"
#include "app/site.hpp"

#include <cstddef>
#include <expected>
#include <string>
#include <vector>

namespace app {

struct BoundListener {
    std::string service;
    std::size_t loop;
    int descriptor;
};

/// One descriptor for each service, address and loop (SO_REUSEPORT). Error: what the administrator must mend.
std::expected<std::vector<BoundListener>, std::string> bind_listeners(const Site& site,
                                                                      const ProgramOptions& options,
                                                                      std::size_t loops);

/// Where an authority comes to look (acme_challenge). On the queue's loop alone.
struct ChallengeListeners {
    acme::ChallengeType type = acme::ChallengeType::Http01;
    std::vector<int> descriptors;
};

/// A port that is taken hinders no mail: it is said on standard error, and the order will say it again.
ChallengeListeners bind_challenges(const Site& site, const ProgramOptions& options);

}  // namespace app
