#include "policy/dmarc_sighting.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace policy {
namespace {

constexpr std::size_t note_octets_max = 100, name_octets_max = 255;

/// RFC 9990 §3.1.3: aligned passes, other passes, the rest.
int rank(const dkim::SignatureResult& signature, const dmarc::Verdict& verdict) {
    if (signature.result != dkim::Result::Pass) return 3;
    if (base::iequals(signature.domain, verdict.domain)) return 0;
    const bool related = base::iequals(signature.domain, verdict.organizational_domain) ||
                         base::iends_with(signature.domain, "." + verdict.organizational_domain);
    return related ? 1 : 2;
}

/// RFC 8617 §7.2.2: the sealers, newest first.
std::string arc_comment(const arc::ChainResult& chain) {
    std::string out = "arc=pass";
    for (std::size_t i = chain.sealers.size(); i > 0; --i)
        out += fmt::format(" as[{}].d={}", i, base::printable(chain.sealers[i - 1], name_octets_max));
    return out;
}

/// RFC 9990 §3.1.6.
std::vector<dmarc::Sighting::Reason> reasons_for(const Authentication& found, Outcome outcome) {
    const auto& verdict = found.dmarc;
    if (verdict.result == dmarc::Result::Pass || outcome.action == verdict.published) return {};
    if (verdict.result != dmarc::Result::Fail)
        return {{"other", base::printable(verdict.reason, note_octets_max)}};
    if (outcome.check != SenderCheck::Enforce) return {{"local_policy", "policies are not enforced here"}};
    if (found.local_policy) return {{found.local_policy->type, found.local_policy->comment}};
    if (!found.override_reason.empty()) return {{"local_policy", arc_comment(found.arc)}};
    std::vector<dmarc::Sighting::Reason> out;
    if (verdict.record->testing) out.push_back({"policy_test_mode", ""});
    if (outcome.action != verdict.policy)
        out.push_back({"other", fmt::format("pct={}: left out of the sample", verdict.record->percent)});
    return out;
}

}  // namespace

std::optional<dmarc::Sighting> dmarc_sighting(const Authentication& found, const SendingClient& client,
                                              Outcome outcome) {
    const auto& verdict = found.dmarc;
    if (!verdict.record || verdict.record->rua.empty() || !client.ip) return std::nullopt;
    // Names with odd octets have no place in a file name or a Report-ID.
    if (!std::ranges::all_of(verdict.policy_domain,
                             [](char c) { return base::is_alnum(c) || c == '.' || c == '-' || c == '_'; }))
        return std::nullopt;
    dmarc::Sighting out;
    out.policy_domain = verdict.policy_domain;
    out.record = *verdict.record;
    out.source_ip = client.ip->text();
    out.header_from = verdict.domain;
    const auto at = client.mail_from.rfind('@');
    if (at != std::string::npos) out.envelope_from = base::lower(client.mail_from.substr(at + 1));
    const bool passed = verdict.result == dmarc::Result::Pass;
    out.disposition =
        passed && verdict.policy != dmarc::Policy::None ? "pass" : dmarc::to_text(outcome.action);
    out.dkim_aligned = verdict.dkim_aligned;
    out.spf_aligned = verdict.spf_aligned;
    out.reasons = reasons_for(found, outcome);
    std::vector<std::pair<int, std::size_t>> order;  // rank, place in the message
    for (std::size_t i = 0; i < found.dkim.size(); ++i) order.emplace_back(rank(found.dkim[i], verdict), i);
    std::ranges::sort(order);
    for (const auto& [how_good, place] : order) {
        const auto& one = found.dkim[place];
        if (one.domain.empty()) continue;  // a field that could not be read
        out.signatures.push_back(
            {base::printable(one.domain, name_octets_max), base::printable(one.selector, name_octets_max),
             std::string(dkim::to_text(one.result)),
             one.result == dkim::Result::Pass ? "" : base::printable(one.reason, note_octets_max)});
    }
    out.spf_domain = found.spf_domain;
    out.spf_result = spf::to_text(found.spf.result);
    out.spf_note = base::printable(found.spf.problem, note_octets_max);
    return out;
}

}  // namespace policy
