// Runs an OrderSession over env::Http: the requests go out, the proofs are shown and withdrawn again,
// whatever happens. Bounded in time.
#pragma once

#include "acme/challenge_server.hpp"
#include "acme/order_session.hpp"
#include "env/http.hpp"
#include "env/loop.hpp"

namespace acme {

struct ClientServices {
    env::Loop& loop;
    env::Http& http;
    ChallengeBoard& board;
};

constexpr std::chrono::minutes order_time_max{15};

struct OrderFailure {
    std::string why;
    std::chrono::seconds not_before{0};
};

/// The chain as the authority sent it (not judged yet), or why there is none. `ca_pem`: trusted for the
/// authority's web server; empty: the system's.
env::Task<std::expected<std::string, OrderFailure>> obtain(ClientServices services, OrderSession session,
                                                           std::string ca_pem);

}  // namespace acme
