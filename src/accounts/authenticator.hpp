// What the SMTP server asks when a client logs in. Belongs to one loop.
#pragma once

#include "env/task.hpp"
#include "sasl/scram.hpp"
#include "sasl/server.hpp"

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
    std::string why;                                                 // for the log; never a secret
    sasl::TokenProblem problem = sasl::TokenProblem::InvalidToken;   // of a token that is Wrong
};
inline LoginAnswer login_unknown(std::string why) { return {LoginAnswer::Kind::Unknown, "", std::move(why)}; }
inline LoginAnswer login_wrong(std::string why) { return {LoginAnswer::Kind::Wrong, "", std::move(why)}; }
inline LoginAnswer login_right(std::string user) { return {LoginAnswer::Kind::Right, std::move(user), ""}; }

struct VerifierAnswer {
    std::optional<sasl::ScramVerifier> verifier;  // none: no such user, a disabled one, or one without
    sasl::ScramShape shape;                       // of who is not there
    std::string user;                             // the name to go by
    std::string why;                              // there is none, for the log
};

class Authenticator {
 public:
    virtual ~Authenticator() = default;
    virtual env::Task<LoginAnswer> check(std::string user, std::string password, LoginClient client) = 0;
    virtual env::Task<VerifierAnswer> verifier(std::string user, sasl::ScramHash hash) = 0;
    /// The mechanisms it can serve, best first.
    virtual std::vector<std::string> mechanisms() const = 0;
    /// Someone who may not log in, whoever vouches for them.
    virtual bool is_disabled(const std::string& user) {
        static_cast<void>(user);
        return false;
    }
};

/// Back ends that give verdicts only: they serve PLAIN and LOGIN.
class VerdictAuthenticator : public Authenticator {
 public:
    env::Task<VerifierAnswer> verifier(std::string user, sasl::ScramHash hash) override {
        static_cast<void>(user);
        static_cast<void>(hash);
        co_return VerifierAnswer{};
    }
    std::vector<std::string> mechanisms() const override { return {"PLAIN", "LOGIN"}; }
};

/// Who judges bearer tokens. Belongs to one loop.
class TokenValidator {
 public:
    virtual ~TokenValidator() = default;
    /// `user`: whose the client says it is; empty: it does not say.
    virtual env::Task<LoginAnswer> check(std::string token, std::string user) = 0;
};

}  // namespace accounts
