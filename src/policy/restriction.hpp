// Restriction lists as programs: parsed once at load, with every wrong word reported, then evaluated per
// question.
#pragma once

#include "env/resolver.hpp"
#include "policy/judge.hpp"
#include "policy/options.hpp"
#include "policy/policy_service.hpp"
#include "policy/sender_login.hpp"
#include "routing/directory.hpp"
#include "routing/match_list.hpp"
#include "tables/factory.hpp"

#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace policy {

struct Program;

/// For the log: what a list did beside accept and refuse, "hold: RCPT from …: text; from=<…> …".
struct Notice {
    std::string action;  // "warn", "hold", "reject_warning", …; empty: a warning to the administrator
    std::string text;
};

/// What one question is evaluated with.
struct Context {
    const PolicyOptions& options;
    const routing::NetworkList& my_networks;
    routing::Directory& directory;
    const SenderLogins& sender_logins;
    const tables::TableList& relay_client_certificates;
    env::Resolver* resolver;  // nullptr: what asks DNS cannot be answered
    Stage stage;
    const Facts& facts;
    SideEffects& effects;
    std::vector<Notice>& notes;
    const std::map<std::string, std::shared_ptr<const Program>, std::less<>>& classes;
    int depth = 0;
    bool warn_only = false;  // the next refusal is only noted
    std::optional<mail::ReplyText> defer_if_permit{};
    std::optional<mail::ReplyText> defer_if_reject{};
    Stage asked = Stage::Connect;  // with smtpd_delay_reject, a list's own `stage` is an earlier one
    env::Network* network = nullptr;
    env::Loop* loop = nullptr;
};

struct Outcome {
    enum class Kind { Dunno, Permit, Refuse } kind = Kind::Dunno;
    mail::ReplyText reply;
};

struct Step {
    std::string name;
    std::string argument;
    std::shared_ptr<tables::Table> table;
    std::shared_ptr<const PolicyService> service;
    env::Task<Outcome> (*run)(Context&, const Step&) = nullptr;
};

struct Program {
    std::vector<Step> steps;
};

/// `what`: the parameter's name, for errors. Errors name the word and the nearest known one.
std::expected<std::shared_ptr<const Program>, std::string> compile(std::string_view what,
                                                                   const std::string& text,
                                                                   tables::Factory& factory,
                                                                   const PolicyOptions& options);
/// Whether a list can refuse relaying: one of reject_unauth_destination, defer_unauth_destination, reject,
/// defer … is in it.
bool stops_relaying(const Program& program);

env::Task<Outcome> evaluate(Context& context, const Program& program);
/// An access table's right-hand side (access(5)). `shown`: the value the reply names, "<x>: … rejected".
env::Task<Outcome> run_access_action(Context& context, std::string action, std::string shown,
                                     std::string_view what);

}  // namespace policy
