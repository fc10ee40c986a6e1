// check_policy_service: a question to a policy server such as a greylisting daemon, in Postfix's policy
// delegation protocol (SMTPD_POLICY_README): lines of name=value, answered by action=…. One connection for
// each question.
#pragma once

#include "env/loop.hpp"
#include "env/network.hpp"
#include "policy/options.hpp"

#include <chrono>
#include <expected>
#include <string>
#include <utility>
#include <vector>

namespace policy {

struct PolicyService {
    std::string text;  // as configured, for the log
    env::Endpoint endpoint;
    std::chrono::seconds timeout{100}, retry_delay{1};
    std::uint32_t tries = 2;
    std::string default_action, context;
};

/// "inet:127.0.0.1:10023", "unix:private/policy", or "{ inet:…, timeout=10s, default_action=DUNNO,
/// policy_context=…, try_limit=1, retry_delay=1s }".
std::expected<PolicyService, std::string> parse_policy_service(const std::string& text,
                                                               const PolicyOptions& options);

using PolicyAttributes = std::vector<std::pair<std::string_view, std::string>>;
/// The answer's action. Error: what went wrong at the last try.
env::Task<std::expected<std::string, std::string>> ask_policy_service(const PolicyService& service,
                                                                      PolicyAttributes attributes,
                                                                      env::Network& network, env::Loop& loop);

}  // namespace policy
