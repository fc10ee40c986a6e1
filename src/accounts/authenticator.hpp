// What the SMTP server asks when a client logs in. Belongs to one loop.
#pragma once

#include "env/task.hpp"
#include "sasl/scram.hpp"

#include <optional>
#include <string>
#include <vector>

namespace accounts {

/// Who asks, for back ends that log or limit by it.
struct LoginClient {
    std::string address, server_address;
    bool encrypted = false;
};

struct LoginAnswer {
    enum class Kind { Right, Wrong, Unknown } kind = Kind::Unknown;  // Unknown: ask again later
    std::string user;                                                // the name to go by, when Right
    std::string why;                                                 // for the log; never a password
};

class Authenticator {
 public:
    virtual ~Authenticator() = default;
    virtual env::Task<LoginAnswer> check(std::string user, std::string password, LoginClient client) = 0;
    /// None: no such user, a disabled one, or one without a verifier for this hash.
    virtual env::Task<std::optional<sasl::ScramVerifier>> verifier(std::string user,
                                                                   sasl::ScramHash hash) = 0;
    /// The mechanisms it can serve, best first.
    virtual std::vector<std::string> mechanisms() const = 0;
};

}  // namespace accounts
