// Restrictions about who the client has proved to be: logins, client certificates, and whose sender address
// it is.
#include "base/text.hpp"
#include "policy/restriction_table.hpp"

#include <fmt/format.h>

namespace policy {
namespace {

using Task = env::Task<Outcome>;

Task run_permit_sasl(Context& context, const Step&) {
    co_return context.facts.sasl_username.empty() ? Outcome{} : permit();
}
Task run_permit_tls_all(Context& context, const Step&) {
    co_return context.facts.client_certificate_verified ? permit() : Outcome{};
}

/// As access tables and relay_clientcerts are asked: the certificate, then its public key.
std::vector<std::string> fingerprints(const Facts& facts) {
    std::vector<std::string> out;
    for (const auto* one : {&facts.client_certificate_fingerprint, &facts.client_key_fingerprint})
        if (!one->empty()) out.push_back(*one);
    return out;
}

/// It may be of an authority that nobody knows: the
/// table itself says that it is trusted.
Task run_permit_tls(Context& context, const Step&) {
    const auto asked = fingerprints(context.facts);
    for (const auto& fingerprint : asked) {
        auto found = co_await context.relay_client_certificates.lookup(fingerprint);
        if (!found) co_return lookup_failed(context, fingerprint, found.error().text);
        if (*found) co_return permit();
    }
    co_return Outcome{};
}
Task run_certificate_access(Context& context, const Step& step) {
    const auto asked = fingerprints(context.facts);
    for (const auto& fingerprint : asked) {
        auto found = co_await step.table->lookup(fingerprint);
        if (found && !*found) continue;
        Outcome out = co_await finish_access(context, std::move(found), fingerprint, "Client certificate");
        co_return out;
    }
    co_return Outcome{};
}
Task run_sasl_access(Context& context, const Step& step) {
    const std::string user = context.facts.sasl_username;
    if (user.empty()) co_return Outcome{};
    auto found = co_await step.table->lookup(user);
    Outcome out =
        co_await finish_access(context, std::move(found), base::printable(user, 255), "SASL login name");
    co_return out;
}

// --- Whose sender address is it (smtpd_sender_login_maps) ---

enum class Who { Everybody, LoggedIn, NotLoggedIn, KnownOnly };

Task sender_login(Context& context, Who who) {
    if (!context.sender_logins.active() || !context.facts.sender || context.facts.sender->is_null())
        co_return Outcome{};
    const std::string user = context.facts.sasl_username;
    if ((who == Who::LoggedIn && user.empty()) || (who == Who::NotLoggedIn && !user.empty()))
        co_return Outcome{};
    using Owner = SenderLogins::Owner;
    const auto owner = co_await context.sender_logins.owner(context.facts.sender->address(), user);
    if (!owner) co_return lookup_failed(context, context.facts.sender_text, owner.error());
    if (user.empty()) {
        if (*owner == Owner::Nobody) co_return Outcome{};
        co_return refuse(
            553, 7, 1,
            fmt::format("<{}>: Sender address rejected: not logged in", context.facts.sender_text));
    }
    if (*owner == Owner::User || (*owner == Owner::Nobody && who == Who::KnownOnly)) co_return Outcome{};
    co_return refuse(553, 7, 1,
                     fmt::format("<{}>: Sender address rejected: not owned by user {}",
                                 context.facts.sender_text, base::printable(user, 255)));
}
Task run_sender_login(Context& context, const Step&) { return sender_login(context, Who::Everybody); }
Task run_authenticated_sender_login(Context& context, const Step&) {
    return sender_login(context, Who::LoggedIn);
}
Task run_unauthenticated_sender_login(Context& context, const Step&) {
    return sender_login(context, Who::NotLoggedIn);
}
Task run_known_sender_login(Context& context, const Step&) { return sender_login(context, Who::KnownOnly); }

constexpr Entry entries[] = {
    {"permit_sasl_authenticated", Argument::None, run_permit_sasl},
    {"permit_tls_all_clientcerts", Argument::None, run_permit_tls_all},
    {"permit_tls_clientcerts", Argument::None, run_permit_tls},
    {"reject_sender_login_mismatch", Argument::None, run_sender_login},
    {"reject_authenticated_sender_login_mismatch", Argument::None, run_authenticated_sender_login},
    {"reject_unauthenticated_sender_login_mismatch", Argument::None, run_unauthenticated_sender_login},
    {"reject_known_sender_login_mismatch", Argument::None, run_known_sender_login},
    {"check_sasl_access", Argument::Table, run_sasl_access},
    {"check_ccert_access", Argument::Table, run_certificate_access},
};

}  // namespace

std::span<const Entry> login_restrictions() { return entries; }

}  // namespace policy
