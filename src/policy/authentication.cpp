#include "policy/authentication.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace policy {
namespace {

std::string domain_of(std::string_view address) {
    const auto at = address.rfind('@');
    return base::lower(at == std::string_view::npos ? address : address.substr(at + 1));
}

mail::AuthenticationMethod method(std::string name, std::string_view result) {
    mail::AuthenticationMethod out;
    out.method = std::move(name);
    out.result = result;
    return out;
}

/// How bad a DMARC outcome is, to choose among several authors.
int severity(const dmarc::Verdict& verdict) {
    if (verdict.result == dmarc::Result::Fail) return 10 + static_cast<int>(verdict.policy);
    if (verdict.result == dmarc::Result::TempError) return 5;
    return verdict.result == dmarc::Result::Pass ? 1 : 2;
}

}  // namespace

MessageAuthenticator::MessageAuthenticator(std::string header_block, const AuthenticationRules& rules)
    : rules_(rules),
      header_block_(std::move(header_block)),
      dkim_(header_block_, rules_.dkim),
      arc_(header_block_) {}

void MessageAuthenticator::body(std::string_view octets) {
    dkim_.body(octets);
    arc_.body(octets);
}

env::Task<void> MessageAuthenticator::check_spf(env::Resolver& resolver, const env::Clock& clock,
                                                const SendingClient& client, Authentication& out) {
    if (!client.ip) co_return;
    out.spf_checked = true;
    spf::Query query{*client.ip, client.helo, client.mail_from, rules_.authserv_id};
    out.helo = co_await spf::check_helo(resolver, clock, query);
    if (client.mail_from.empty()) {
        out.spf = out.helo;
        out.spf_domain = base::lower(client.helo);
    } else {
        out.spf = co_await spf::check_mail_from(resolver, clock, query);
        out.spf_domain = domain_of(client.mail_from);
    }
    auto said = method("spf", spf::to_text(out.spf.result));
    said.reason = out.spf.problem;
    said.properties.emplace_back(client.mail_from.empty() ? "smtp.helo" : "smtp.mailfrom",
                                 client.mail_from.empty() ? client.helo : client.mail_from);
    out.methods.push_back(std::move(said));
    out.received_spf = spf::received_spf(out.spf, query, client.mail_from.empty() ? "helo" : "mailfrom");
}

/// A trusted sealer says that the message passed when it came to him (RFC 8617 §7.2).
bool MessageAuthenticator::vouched_for(const arc::ChainResult& chain) const {
    if (chain.status != arc::ChainStatus::Pass || chain.sealers.empty()) return false;
    const bool trusted = std::ranges::any_of(
        rules_.trusted_sealers, [&](const auto& name) { return base::iequals(name, chain.sealers.back()); });
    const auto seen = mail::results_of(chain.newest_results);
    bool passed_there = false;
    for (const auto* name : {"dmarc", "dkim", "spf"})
        for (const auto& word : mail::results_for(seen, name)) passed_there = passed_there || word == "pass";
    return trusted && passed_there;
}

env::Task<void> MessageAuthenticator::apply_local_policy(const SendingClient& client, Authentication& out) {
    if (!rules_.overrides || rules_.overrides->empty()) co_return;
    PolicyOverrides::Question question{client.ip, client.name, out.dmarc.domain};
    auto found = co_await rules_.overrides->find(std::move(question));
    if (found)
        out.local_policy = std::move(*found);
    else
        out.local_policy_problem = std::move(found.error());
}

env::Task<void> MessageAuthenticator::check_dmarc(env::Resolver& resolver, const SendingClient& client,
                                                  Authentication& out) {
    out.author = mail::find_author(header_block_);
    const dmarc::Identifier sender{out.spf.result == spf::Result::Pass, out.spf_domain,
                                   out.spf.result == spf::Result::TempError};
    std::vector<dmarc::Identifier> signers;
    for (const auto& signature : out.dkim)
        signers.push_back({signature.result == dkim::Result::Pass, signature.domain,
                           signature.result == dkim::Result::TempError});
    auto domains = out.author.domains;
    if (domains.size() > rules_.authors_max) domains.resize(rules_.authors_max);
    for (std::size_t i = 0; i < domains.size(); ++i) {
        auto verdict = co_await dmarc::evaluate(resolver, domains[i], sender, signers);
        if (i == 0 || severity(verdict) > severity(out.dmarc)) out.dmarc = std::move(verdict);
    }
    const bool odd = out.author.from_fields != 1 || out.author.domains.size() != 1;
    if (domains.empty()) {
        out.dmarc.result = dmarc::Result::None;
        out.dmarc.reason = out.author.from_fields == 0 ? "no From: field" : "From: holds no domain";
    } else if (odd && out.dmarc.result == dmarc::Result::Pass) {
        // One author that passes says nothing of the other (RFC 9989 §11.5).
        out.dmarc.result = dmarc::Result::PermError;
        out.dmarc.reason = "From: names several domains";
    }
    const bool undecided = out.dmarc.result == dmarc::Result::TempError && out.dmarc.record;
    if (out.dmarc.result == dmarc::Result::Fail || undecided) {
        co_await apply_local_policy(client, out);
        if (out.local_policy)
            out.override_reason = base::trim(out.local_policy->type + " " + out.local_policy->comment);
        else if (vouched_for(out.arc))
            out.override_reason = "arc=pass of " + out.arc.sealers.back();
    }
    auto said = method("dmarc", dmarc::to_text(out.dmarc.result));
    if (out.dmarc.record)
        said.comment = fmt::format("p={}{}", dmarc::to_text(out.dmarc.published),
                                   out.override_reason.empty() ? "" : ", overruled: " + out.override_reason);
    said.reason = out.dmarc.result == dmarc::Result::Pass ? "" : out.dmarc.reason;
    if (!out.dmarc.domain.empty()) said.properties.emplace_back("header.from", out.dmarc.domain);
    out.methods.push_back(std::move(said));
}

env::Task<Authentication> MessageAuthenticator::finish(Resolvers resolvers, const env::Clock& clock,
                                                       SendingClient client, std::uint64_t now) {
    Authentication out;
    co_await check_spf(resolvers.identifiers, clock, client, out);
    out.dkim = co_await dkim_.finish(resolvers.identifiers, now);
    for (const auto& signature : out.dkim) {
        auto said = method("dkim", dkim::to_text(signature.result));
        if (signature.key_bits > 0) said.comment = fmt::format("{}-bit key", signature.key_bits);
        said.reason = signature.reason;
        if (!signature.domain.empty()) {
            said.properties.emplace_back("header.d", signature.domain);
            if (!base::iequals(signature.identity, "@" + signature.domain))
                said.properties.emplace_back("header.i", signature.identity);
            said.properties.emplace_back("header.s", signature.selector);
            said.properties.emplace_back("header.a", signature.algorithm);
            said.properties.emplace_back("header.b", signature.signature_start);
        }
        out.methods.push_back(std::move(said));
    }
    if (out.dkim.empty()) out.methods.push_back(method("dkim", "none"));
    out.arc = co_await arc_.finish(resolvers.identifiers);
    if (arc_.has_sets()) {
        auto said = method("arc", arc::to_text(out.arc.status));
        said.reason = out.arc.reason;
        if (out.arc.instances > 0) said.comment = fmt::format("i={}", out.arc.instances);
        if (client.ip) said.properties.emplace_back("smtp.remote-ip", client.ip->text());
        if (out.arc.status == arc::ChainStatus::Pass)
            said.properties.emplace_back("header.oldest-pass", std::to_string(out.arc.oldest_pass));
        out.methods.push_back(std::move(said));
    }
    co_await check_dmarc(resolvers.policy, client, out);
    co_return out;
}

std::string without_foreign_results(std::string_view header_block, std::string_view authserv_id) {
    std::string out;
    for (const auto& field : dkim::split_fields(header_block)) {
        if (base::iequals(field.name, "Authentication-Results")) {
            const auto id = mail::authserv_id_of(field.raw.substr(field.raw.find(':') + 1));
            if (!id || base::iequals(*id, authserv_id)) continue;
        }
        out += field.raw;
    }
    return out;
}

}  // namespace policy
