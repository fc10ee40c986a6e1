#include "policy/content_check.hpp"

#include "base/text.hpp"
#include "dkim/signer.hpp"
#include "policy/bounded_resolver.hpp"
#include "policy/dmarc_sighting.hpp"

#include <fmt/format.h>

namespace policy {
namespace {

/// RSA takes a millisecond: a worker's business. Owns all it touches.
struct SignTrip {
    std::vector<SigningKey> keys;
    std::string header, body_hash;
    std::pair<dkim::Canonicalization, dkim::Canonicalization> forms;
    std::uint64_t now;
    std::string operator()() const {
        std::string out;
        for (const auto& key : keys) {
            dkim::SignOptions how;
            how.domain = key.domain;
            how.selector = key.selector;
            how.identity = key.identity;
            how.header_form = forms.first;
            how.body_form = forms.second;
            how.timestamp = now;
            dkim::Signer signer(how, header);
            signer.use_body_hash(body_hash);
            out += signer.field(key.key);
        }
        return out;
    }
};

}  // namespace

std::expected<std::shared_ptr<ContentRules>, std::string> make_content_rules(SenderOptions options,
                                                                             env::FileSystem& files) {
    auto keys = SigningKeys::make(options, files);
    if (!keys) return std::unexpected(keys.error());
    if (!dkim::parse_canonicalization(options.canonicalization))
        return std::unexpected("dkim_canonicalization: simple or relaxed, header/body");
    auto out = std::make_shared<ContentRules>();
    out->keys = std::move(*keys);
    out->authentication.authserv_id = options.authserv_id;
    out->authentication.trusted_sealers = options.trusted_sealers;
    out->authentication.dkim.rsa_bits_min = options.dkim_bits_min;
    out->authentication.dkim.signatures_max = options.signatures_max;
    out->authentication.dkim.partial_body = options.partial_body ? dkim::VerifyOptions::PartialBody::Pass
                                                                 : dkim::VerifyOptions::PartialBody::Policy;
    out->options = std::move(options);
    return out;
}

ContentCheck::ContentCheck(std::shared_ptr<const ContentRules> rules, Role role, Lines lines)
    : rules_(std::move(rules)),
      role_(role),
      forms_(*dkim::parse_canonicalization(rules_->options.canonicalization)) {
    const std::size_t limit = rules_->options.line_octets_max;
    if (role == Role::Sign && lines == Lines::Folded && limit > 0)
        folder_.emplace(std::max(limit, mail::LineFolder::limit_min));
}

void ContentCheck::body(std::string_view octets) {
    if (authenticator_) authenticator_->body(octets);
    if (hasher_) hasher_->update(octets);
}

void ContentCheck::feed(std::string_view octets, std::string& out) {
    if (folder_)
        take(folder_->fold(std::string(octets)), out);
    else
        take(octets, out);
}

void ContentCheck::take(std::string_view octets, std::string& out) {
    if (!in_header_) {
        body(octets);
        out += octets;
        return;
    }
    const auto look_from = held_.size() < 3 ? 0 : held_.size() - 3;
    held_ += octets;
    const bool no_header = held_.starts_with("\r\n");
    const auto found = no_header ? 0 : held_.find("\r\n\r\n", look_from);
    if (found != std::string::npos) {
        header_ = no_header ? "" : held_.substr(0, found + 2);
        const std::string rest = held_.substr(no_header ? 2 : found + 4);
        held_.clear();
        header_done(out);
        out += "\r\n";
        body(rest);
        out += rest;
        return;
    }
    if (held_.size() <= rules_->options.header_size_limit) return;
    // Nothing that long is a header we vouch for: it goes on as it is.
    given_up_ = true;
    in_header_ = false;
    out += held_;
    held_.clear();
    held_.shrink_to_fit();
}

void ContentCheck::end(std::string& out) {
    if (folder_) take(folder_->finish(), out);
    if (!in_header_) return;
    // A message without an empty line: all of it is header.
    header_ = std::move(held_);
    held_.clear();
    header_done(out);
}

void ContentCheck::header_done(std::string& out) {
    in_header_ = false;
    if (role_ == Role::Verify) {
        header_ = without_foreign_results(header_, rules_->options.authserv_id);
        authenticator_ = std::make_unique<MessageAuthenticator>(header_, rules_->authentication);
    } else {
        const auto author = mail::find_author(header_);
        if (author.addresses.size() == 1) keys_ = rules_->keys.keys_for(author.addresses.front());
        if (!keys_.empty()) hasher_ = std::make_unique<dkim::BodyHasher>(forms_.second);
    }
    out += header_;
}

/// Why nobody can say who wrote this (RFC 5322 §3.6.2, RFC 9989 §5.3.1 and §11.5); "": somebody did.
std::string ContentCheck::unfit_author(const mail::Author& author) const {
    if (author.from_fields != 1)
        return fmt::format("the message has {} From: fields; RFC 5322 section 3.6 wants exactly one",
                           author.from_fields == 0 ? "no" : "several");
    if (author.domains.empty()) return "From: holds no address with a domain";
    if (author.suspect) return "From: holds what looks like an address and is none";
    if (author.domains.size() > rules_->authentication.authors_max)
        return "From: names more domains than DMARC is asked for";
    return "";
}

std::optional<mail::ReplyText> ContentCheck::refusal_for(const Authentication& got,
                                                         dmarc::Policy action) const {
    if (rules_->options.check != SenderCheck::Enforce) return std::nullopt;
    if (!got.local_policy_problem.empty())
        return mail::ReplyText{451, {4, 3, 0}, "Temporary lookup failure: the local DMARC policy"};
    const std::string spf(got.spf_checked ? spf::to_text(got.spf.result) : "none");
    const std::string dkim(got.dkim.empty() ? "none" : dkim::to_text(got.dkim.front().result));
    if (action == dmarc::Policy::Reject && got.local_policy)
        return mail::ReplyText{
            550,
            {5, 7, 1},
            fmt::format("Message refused by local DMARC policy for {}: SPF {}, DKIM {}; neither "
                        "is aligned with From",
                        got.dmarc.domain, spf, dkim)};
    if (action == dmarc::Policy::Reject)
        return mail::ReplyText{
            550,
            {5, 7, 1},
            fmt::format("Message refused by the DMARC policy of {}: SPF {}, DKIM {}; neither is "
                        "aligned with From. See _dmarc.{} and RFC 9989",
                        got.dmarc.domain, spf, dkim, got.dmarc.policy_domain)};
    // The policy is known, whether it applies is not (RFC 9989 §5.3.6): who is genuine comes again, and who
    // made the DNS fail on purpose gains nothing.
    if (got.dmarc.result == dmarc::Result::TempError && got.dmarc.policy != dmarc::Policy::None &&
        got.override_reason.empty())
        return mail::ReplyText{
            451,
            {4, 7, 1},
            fmt::format("The DMARC check for {} could not be completed: {}; try again later",
                        got.dmarc.domain, base::printable(got.dmarc.reason, 200))};
    if (const auto why = unfit_author(got.author); !why.empty())
        return mail::ReplyText{550, {5, 7, 1}, "Message refused by DMARC: " + why};
    return std::nullopt;
}

env::Task<ContentVerdict> ContentCheck::verify(World world, SendingClient client) {
    ContentVerdict out;
    if (given_up_ || !authenticator_) {
        // Taken unread it could name any author, and claim to be verified by us.
        out.refusal =
            mail::ReplyText{552,
                            {5, 3, 4},
                            fmt::format("Message header larger than {} octets: its sender cannot be verified",
                                        rules_->options.header_size_limit)};
        co_return out;
    }
    const QuestionLimits limits{rules_->options.time_limit, rules_->options.queries_max};
    BoundedResolver identifiers(world.resolver, world.loop, limits);
    BoundedResolver policy(world.resolver, world.loop, limits);
    const MessageAuthenticator::Resolvers resolvers{identifiers, policy};
    const env::Clock& clock = world.loop.clock();
    Authentication got =
        co_await authenticator_->finish(resolvers, clock, client, env::unix_time(clock.wall()));
    constexpr std::uint64_t hundred = 100;
    const auto dice = static_cast<unsigned>(world.random.below(hundred));
    // What would be done were policies enforced, and what is done.
    dmarc::Policy wanted =
        got.override_reason.empty() ? dmarc::disposition(got.dmarc, dice) : dmarc::Policy::None;
    if (got.local_policy && got.dmarc.result == dmarc::Result::Fail) wanted = got.local_policy->policy;
    const dmarc::Policy action = rules_->options.check == SenderCheck::Enforce ? wanted : dmarc::Policy::None;
    if (got.dmarc.record)
        got.methods.back().properties.emplace_back(
            "policy.dmarc",
            dmarc::to_text(got.dmarc.result == dmarc::Result::Fail ? wanted : got.dmarc.policy));
    out.note = fmt::format("dmarc={} from={} policy={} disposition={} spf={} dkim={}{}",
                           dmarc::to_text(got.dmarc.result), base::printable(got.dmarc.domain, 100),
                           dmarc::to_text(got.dmarc.published), dmarc::to_text(action),
                           got.spf_checked ? spf::to_text(got.spf.result) : "none",
                           got.dkim.empty() ? "none" : dkim::to_text(got.dkim.front().result),
                           identifiers.exceeded() ? " (limits exceeded)" : "");
    out.refusal = refusal_for(got, action);
    // What is to come again is counted when it does; what has no author is nobody's.
    if (rules_->options.reporting && (!out.refusal || action == dmarc::Policy::Reject)) {
        const Outcome outcome{action, rules_->options.check};
        out.sighting = dmarc_sighting(got, client, outcome);
    }
    if (out.refusal) co_return out;
    out.verified = true;
    out.prepend = mail::authentication_results_field(rules_->options.authserv_id, got.methods);
    if (rules_->options.received_spf) out.prepend += got.received_spf;
    if (action == dmarc::Policy::Quarantine) {
        out.hold = rules_->options.quarantine == QuarantineAction::Hold;
        out.junk = rules_->options.quarantine == QuarantineAction::Junk;
        if (!out.hold) out.prepend += "X-Spam-Flag: YES\r\n";
    }
    co_return out;
}

env::Task<std::string> ContentCheck::sign(env::Workers& workers, std::string added, std::uint64_t now) {
    if (keys_.empty() || !hasher_) co_return std::string();
    SignTrip trip{keys_, std::move(added) + header_, hasher_->finish(), forms_, now};
    std::string out = co_await workers.run(std::move(trip));
    co_return out;
}

env::Task<std::string> sign_whole(std::shared_ptr<const ContentRules> rules, std::string& content,
                                  env::Workers& workers, std::uint64_t now) {
    if (!rules || rules->keys.empty()) co_return std::string();
    ContentCheck check(rules, ContentCheck::Role::Sign, ContentCheck::Lines::Folded);
    std::string passed;
    check.feed(content, passed);
    check.end(passed);
    content = std::move(passed);
    std::string fields = co_await check.sign(workers, std::string(), now);
    co_return fields;
}

}  // namespace policy
