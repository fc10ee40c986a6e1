// postrider spf, verify, arc: the judges of sender authentication, without a server.
#include "arc/sealer.hpp"
#include "base/text.hpp"
#include "commands/judge_world.hpp"
#include "mail/mime.hpp"
#include "policy/authentication.hpp"
#include "spf/check.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

namespace commands {
namespace {

using Json = nlohmann::ordered_json;

std::string clean(std::string_view text) { return base::printable(text, 4096); }

// --- spf ---

Json spf_json(const spf::Verdict& verdict) {
    return {{"result", spf::to_text(verdict.result)}, {"domain", clean(verdict.domain)},
            {"mechanism", clean(verdict.mechanism)},  {"explanation", clean(verdict.explanation)},
            {"problem", clean(verdict.problem)},      {"dns_terms", verdict.dns_terms},
            {"void_lookups", verdict.void_lookups}};
}

env::Task<int> judge_spf(JudgeWorld& world, spf::Query query, bool json) {
    const auto verdict = co_await spf::check_mail_from(world.resolver(), world.clock, query);
    if (json) {
        print_json(spf_json(verdict));
        co_return exit_ok;
    }
    fmt::print("{}\n", spf::to_text(verdict.result));
    fmt::print("  identity:    {}\n",
               clean(query.mail_from.empty() ? "postmaster@" + query.helo : query.mail_from));
    fmt::print("  client:      {}\n", query.ip.text());
    if (!verdict.domain.empty()) fmt::print("  record of:   {}\n", clean(verdict.domain));
    if (!verdict.mechanism.empty()) fmt::print("  decided by:  {}\n", clean(verdict.mechanism));
    if (!verdict.explanation.empty()) fmt::print("  explanation: {}\n", clean(verdict.explanation));
    if (!verdict.problem.empty()) fmt::print("  problem:     {}\n", clean(verdict.problem));
    fmt::print("  questions:   {} of 10 terms, {} of 2 void lookups\n", verdict.dns_terms,
               verdict.void_lookups);
    co_return exit_ok;
}

// --- verify ---

struct VerifyCall {
    WireMessage message;
    policy::SendingClient client;
    std::uint64_t now = 0;
    bool json = false;
    policy::AuthenticationRules rules;
};

Json verify_json(const policy::Authentication& got, const std::string& id) {
    Json signatures = Json::array();
    for (const auto& one : got.dkim)
        signatures.push_back({{"domain", clean(one.domain)},
                              {"selector", clean(one.selector)},
                              {"algorithm", one.algorithm},
                              {"result", dkim::to_text(one.result)},
                              {"reason", clean(one.reason)}});
    Json sealers = Json::array();
    for (const auto& sealer : got.arc.sealers) sealers.push_back(clean(sealer));
    Json spf = spf_json(got.spf);
    if (!got.spf_checked) spf["result"] = "none";
    return {{"spf", spf},
            {"dkim", signatures},
            {"arc",
             {{"result", arc::to_text(got.arc.status)},
              {"instances", got.arc.instances},
              {"reason", clean(got.arc.reason)},
              {"sealers", sealers}}},
            {"dmarc",
             {{"result", dmarc::to_text(got.dmarc.result)},
              {"policy", dmarc::to_text(got.dmarc.published)},
              {"disposition", dmarc::to_text(got.override_reason.empty() ? dmarc::disposition(got.dmarc, 0)
                                                                         : dmarc::Policy::None)},
              {"domain", clean(got.dmarc.policy_domain)},
              {"from", clean(got.dmarc.domain)},
              {"organizational_domain", clean(got.dmarc.organizational_domain)},
              {"spf_aligned", got.dmarc.spf_aligned},
              {"dkim_aligned", got.dmarc.dkim_aligned},
              {"reason", clean(got.dmarc.reason)}}},
            {"authentication_results", mail::authentication_results_field(id, got.methods)}};
}

/// What there is to do about one result; "" where it is good or nothing can be done.
std::string remedy(const dkim::SignatureResult& one) {
    const std::string domain = clean(one.domain);
    switch (one.result) {
        case dkim::Result::Fail:
            return one.reason.find("body") != std::string::npos
                       ? "something behind the signer changed the body (a footer, a filter): sign last, or "
                         "not change"
                       : "something behind the signer changed a signed field, or the record holds another "
                         "key:\n"
                         "           compare it with postrider dns-records " +
                             domain;
        case dkim::Result::TempError:
            return "ask again when the name servers of " + domain + " answer";
        case dkim::Result::PermError:
            return fmt::format("look at {}._domainkey.{} and at the tags of the signature",
                               clean(one.selector), domain);
        case dkim::Result::Policy:
            return one.key_bits > 0 && one.key_bits < 1024 ? "make a key of 2048 bits: postrider dkim keygen"
                                                           : "";
        default:
            return "";
    }
}

std::string remedy(const policy::Authentication& got) {
    const std::string domain = clean(got.spf_domain);
    switch (got.spf.result) {
        case spf::Result::None:
            return fmt::format("{} publishes no SPF record; begin with {} TXT \"v=spf1 mx -all\"", domain,
                               domain);
        case spf::Result::Fail:
        case spf::Result::SoftFail:
        case spf::Result::Neutral:
            return fmt::format("if this host may send for {}, its record must name it", domain);
        case spf::Result::PermError:
            return fmt::format("mend the record of {}: {}", domain, clean(got.spf.problem));
        case spf::Result::TempError:
            return "ask again: " + clean(got.spf.problem);
        case spf::Result::Pass:
            return "";
    }
    return "";
}

void print_line(std::string_view name, std::string_view result, const std::string& detail) {
    fmt::print("{}\n", base::trim(fmt::format("{:<9}{:<10} {}", name, result, detail)));
}

void print_remedy(const std::string& text) {
    if (!text.empty()) fmt::print("           to do: {}\n", text);
}

void print_message(const WireMessage& message) {
    for (const auto name : {"Message-ID", "Date", "From", "To", "Subject"})
        if (const auto value = mail::field_value(message.header_block, name); !value.empty())
            print_line(name, "", clean(mail::decode_encoded_words(value)));
    fmt::print("\n");
}

void print_conclusion(const policy::Authentication& got) {
    const std::string domain = clean(got.dmarc.domain);
    switch (got.dmarc.result) {
        case dmarc::Result::Pass:
            fmt::print("The author's domain vouches for this message ({}).\n",
                       got.dmarc.spf_aligned && got.dmarc.dkim_aligned ? "SPF and DKIM"
                       : got.dmarc.dkim_aligned                        ? "DKIM"
                                                                       : "SPF");
            break;
        case dmarc::Result::Fail:
            fmt::print(
                "Nobody vouches for this message: SPF or DKIM must pass for {} or a domain of the same\n"
                "organization. Sign with d={}, or send from a host that its SPF record names.\n"
                "Its owner asks receivers to do with such mail: {}.\n",
                domain, domain, dmarc::to_text(got.dmarc.policy));
            if (!got.override_reason.empty()) fmt::print("Overruled here: {}.\n", clean(got.override_reason));
            break;
        case dmarc::Result::None:
            if (domain.empty())
                fmt::print("Nobody can vouch for this message: {}.\n", clean(got.dmarc.reason));
            else
                fmt::print(
                    "{} has no DMARC record: publish _dmarc.{} TXT \"v=DMARC1; p=none; rua=mailto:you@...\" "
                    "to\n"
                    "begin with.\n",
                    domain, domain);
            break;
        case dmarc::Result::TempError:
        case dmarc::Result::PermError:
            fmt::print("DMARC could not be decided: {}.\n", clean(got.dmarc.reason));
            break;
    }
}

/// Like "Show original" of a web mailer: what passed, what failed, why, what to do.
void print_verify(const policy::Authentication& got, const WireMessage& message, const std::string& id) {
    print_message(message);
    if (got.spf_checked) {
        print_line("SPF", spf::to_text(got.spf.result),
                   fmt::format("{}{}", clean(got.spf_domain),
                               !got.spf.mechanism.empty() ? " by " + clean(got.spf.mechanism) : ""));
        if (!got.spf.explanation.empty()) print_line("", "", "its owner says: " + clean(got.spf.explanation));
        print_remedy(remedy(got));
    } else {
        print_line("SPF", "-", "not asked: give --ip, --helo and --mail-from");
    }
    if (got.dkim.empty()) print_line("DKIM", "none", "the message has no signature");
    for (const auto& one : got.dkim) {
        print_line("DKIM", dkim::to_text(one.result),
                   fmt::format("{} (selector {}, {}{}){}", clean(one.domain), clean(one.selector),
                               one.algorithm, one.key_bits > 0 ? fmt::format(", {} bits", one.key_bits) : "",
                               one.reason.empty() ? "" : ": " + clean(one.reason)));
        print_remedy(remedy(one));
    }
    print_line(
        "ARC", arc::to_text(got.arc.status),
        got.arc.instances > 0
            ? fmt::format("{} {}{}{}", got.arc.instances, got.arc.instances == 1 ? "set" : "sets",
                          got.arc.sealers.empty() ? "" : ", last sealed by " + clean(got.arc.sealers.back()),
                          got.arc.reason.empty() ? "" : ": " + clean(got.arc.reason))
            : got.arc.reason);
    print_line(
        "DMARC", dmarc::to_text(got.dmarc.result),
        fmt::format("From: {}{}{}", clean(got.dmarc.domain),
                    got.dmarc.record ? fmt::format(", policy {} of {}", dmarc::to_text(got.dmarc.published),
                                                   clean(got.dmarc.policy_domain))
                                     : "",
                    got.dmarc.reason.empty() ? "" : ": " + clean(got.dmarc.reason)));
    fmt::print("\n");
    print_conclusion(got);
    fmt::print("\n{}", mail::authentication_results_field(id, got.methods));
}

env::Task<int> judge_message(JudgeWorld& world, VerifyCall call) {
    policy::MessageAuthenticator authenticator(call.message.header_block, call.rules);
    authenticator.body(call.message.body);
    const policy::MessageAuthenticator::Resolvers resolvers{world.resolver(), world.resolver()};
    const auto got = co_await authenticator.finish(resolvers, world.clock, std::move(call.client), call.now);
    if (call.json)
        print_json(verify_json(got, call.rules.authserv_id));
    else
        print_verify(got, call.message, call.rules.authserv_id);
    co_return exit_ok;
}

std::string this_host() {
    char name[256] = {};
    return ::gethostname(name, sizeof name - 1) == 0 && name[0] != '\0' ? name : "localhost";
}

// --- arc ---

env::Task<int> seal_message(JudgeWorld& world, arc::SealOptions how, WireMessage message,
                            dkim::PrivateKey key, bool json) {
    // The results of our own Authentication-Results fields, in order; they also tell the chain's status.
    std::string results;
    std::optional<arc::ChainStatus> chain;
    for (const auto& field : dkim::split_fields(message.header_block)) {
        if (!base::iequals(field.name, "Authentication-Results")) continue;
        const auto value = field.raw.substr(field.raw.find(':') + 1);
        const auto id = mail::authserv_id_of(value);
        if (!id || !base::iequals(*id, how.authserv_id)) continue;
        const auto part = mail::results_of(value);
        if (part.empty()) continue;
        results += (results.empty() ? "" : "; ") + part;
        const auto said = mail::results_for(part, "arc");
        if (chain || said.empty()) continue;
        chain = said.front() == "pass"   ? arc::ChainStatus::Pass
                : said.front() == "none" ? arc::ChainStatus::None
                                         : arc::ChainStatus::Fail;
    }
    if (!chain) {
        arc::ChainVerifier verifier(message.header_block);
        verifier.body(message.body);
        const auto verified = co_await verifier.finish(world.resolver());
        chain = verified.status;
    }
    arc::Sealer sealer(how, message.header_block);
    sealer.body(message.body);
    const auto fields = sealer.seal(key, *chain, results);
    if (json)
        print_json({{"fields", fields}, {"chain", arc::to_text(*chain)}});
    else
        fmt::print("{}{}\r\n{}", fields, message.header_block, message.body);
    co_return exit_ok;
}

}  // namespace

int spf(const Invocation& invocation) {
    const auto options =
        NamedOptions::parse(invocation.arguments, {"ip", "helo", "mail-from", "resolver", "receiver"});
    if (!options) return usage_error("spf", options.error());
    const auto ip = env::IpAddress::parse(options->get("ip"));
    if (!ip || !options->rest().empty()) return usage_error("spf", "--ip needs an address");
    auto world = JudgeWorld::make(options->get("resolver"));
    if (!world) return usage_error("spf", world.error());
    ::spf::Query query{*ip, options->get("helo"), options->get("mail-from"),
                       options->get("receiver", this_host())};
    return (*world)->run(judge_spf(**world, std::move(query), invocation.json));
}

int verify(const Invocation& invocation) {
    const auto options =
        NamedOptions::parse(invocation.arguments,
                            {"ip", "helo", "mail-from", "now", "resolver", "authserv-id", "trusted-sealers"});
    if (!options) return usage_error("verify", options.error());
    if (!options->rest().empty()) return usage_error("verify", "the message is read from standard input");
    VerifyCall call;
    if (options->has("ip")) {
        const auto ip = env::IpAddress::parse(options->get("ip"));
        if (!ip) return usage_error("verify", "--ip needs an address");
        call.client.ip = *ip;
    }
    call.client.helo = options->get("helo");
    call.client.mail_from = options->get("mail-from");
    const auto now = time_of(*options);
    if (!now) return usage_error("verify", now.error());
    call.now = *now;
    call.json = invocation.json;
    call.rules.authserv_id = options->get("authserv-id", this_host());
    call.rules.trusted_sealers = name_list(options->get("trusted-sealers"));
    auto world = JudgeWorld::make(options->get("resolver"));
    if (!world) return usage_error("verify", world.error());
    const auto input = read_standard_input();
    if (!input) return usage_error("verify", input.error());
    call.message = split_message(*input);
    return (*world)->run(judge_message(**world, std::move(call)));
}

int arc(const Invocation& invocation) {
    const auto options = NamedOptions::parse(
        invocation.arguments, {"domain", "selector", "key", "authserv-id", "now", "headers", "resolver"});
    if (!options) return usage_error("arc", options.error());
    if (options->rest().size() != 1 || options->rest()[0] != "seal") return usage_error("arc", "say seal");
    for (const auto* name : {"domain", "selector", "key", "authserv-id"})
        if (!options->has(name)) return usage_error("arc", fmt::format("--{} is missing", name));
    auto key = read_private_key(options->get("key"));
    if (!key) return usage_error("arc", key.error());
    const auto now = time_of(*options);
    if (!now) return usage_error("arc", now.error());
    ::arc::SealOptions how{base::lower(options->get("domain")), options->get("selector"),
                           options->get("authserv-id"), name_list(options->get("headers")), *now};
    auto world = JudgeWorld::make(options->get("resolver"));
    if (!world) return usage_error("arc", world.error());
    const auto input = read_standard_input();
    if (!input) return usage_error("arc", input.error());
    return (*world)->run(
        seal_message(**world, std::move(how), split_message(*input), std::move(*key), invocation.json));
}

}  // namespace commands
