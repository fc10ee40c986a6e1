#include "dkim/verifier.hpp"

#include "base/base64.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <set>

namespace dkim {
namespace {

constexpr std::size_t key_records_max = 4;  // several TXT records are undefined (§3.6.2.2); a few are tried

/// Which body hash a signature needs.
struct BodyForm {
    Canonicalization form;
    std::uint64_t length_max;
    auto operator<=>(const BodyForm&) const = default;
};

struct Candidate {
    Field field;
    std::optional<Signature> signature;
    SignatureResult result;
    BodyForm body{Canonicalization::Simple, 0};
};

SignatureResult decided(SignatureResult base, Result result, std::string reason) {
    base.result = result;
    base.reason = std::move(reason);
    return base;
}

}  // namespace

std::string_view to_text(Result result) {
    constexpr std::string_view words[] = {"none",    "pass",      "fail",     "policy",
                                          "neutral", "temperror", "permerror"};
    return words[static_cast<std::size_t>(result)];
}

struct Verifier::State {
    std::string header_block;
    VerifyOptions options;
    std::vector<Field> fields;
    std::vector<Candidate> candidates;
    std::map<BodyForm, BodyHasher> hashers;
    struct BodyHash {
        std::string digest;
        std::uint64_t canonical_octets = 0;
    };
    std::map<BodyForm, BodyHash> digests;

    void find_signatures();
    env::Task<SignatureResult> verify(const Candidate& candidate, env::Resolver& resolver, std::uint64_t now);
};

void Verifier::State::find_signatures() {
    fields = split_fields(header_block);
    std::size_t usable = 0;
    for (const auto& field : fields) {
        if (!base::iequals(field.name, "DKIM-Signature")) continue;
        Candidate candidate;
        candidate.field = field;
        if (usable >= options.signatures_max) {
            // Beyond the limit nothing is parsed: a message may carry thousands.
            if (candidates.size() > 2 * options.signatures_max) break;
            candidate.result = decided({}, Result::Policy, "more signatures than are verified");
            candidates.push_back(std::move(candidate));
            continue;
        }
        ++usable;
        auto signature = parse_signature(field.raw.substr(field.raw.find(':') + 1), options.limits);
        if (!signature) {
            candidate.result = decided({}, Result::PermError, signature.error());
            candidates.push_back(std::move(candidate));
            continue;
        }
        candidate.result.domain = signature->domain;
        candidate.result.selector = signature->selector;
        candidate.result.algorithm = to_text(signature->algorithm);
        candidate.result.identity = signature->identity;
        candidate.result.signature_start = base::base64_encode(signature->signature).substr(0, 8);
        candidate.body = {signature->body_form,
                          signature->body_length.value_or(std::numeric_limits<std::uint64_t>::max())};
        hashers.try_emplace(candidate.body, candidate.body.form, candidate.body.length_max);
        candidate.signature = std::move(*signature);
        candidates.push_back(std::move(candidate));
    }
}

Verifier::Verifier(std::string header_block, VerifyOptions options) : state_(std::make_unique<State>()) {
    state_->header_block = std::move(header_block);
    state_->options = options;
    state_->find_signatures();
}

Verifier::~Verifier() = default;
Verifier::Verifier(Verifier&&) noexcept = default;
bool Verifier::has_signatures() const { return !state_->candidates.empty(); }

void Verifier::body(std::string_view octets) {
    for (auto& [form, hasher] : state_->hashers) hasher.update(octets);
}

std::string signed_header_data(const std::vector<Field>& fields, const std::vector<std::string>& names,
                               std::string_view signature_field, Canonicalization form) {
    // For each name the instances from the bottom up; a name given more often than it stands is an assertion
    // that no more exist, and adds nothing (§5.4.2).
    std::map<std::string_view, std::vector<const Field*>, base::ILess> left;
    for (const auto& name : names) left.try_emplace(name);
    for (const auto& field : fields)
        if (const auto found = left.find(field.name); found != left.end()) found->second.push_back(&field);
    std::string out;
    for (const auto& name : names) {
        auto& instances = left.find(name)->second;
        if (instances.empty()) continue;
        out += canonical_field(instances.back()->raw, form);
        instances.pop_back();
    }
    std::string last = canonical_field(signature_field, form);
    last.resize(last.size() - 2);  // without CRLF (§3.7)
    return out + last;
}

env::Task<KeyLookup> look_up_key(env::Resolver& resolver, std::string domain, std::string selector,
                                 Algorithm algorithm) {
    KeyLookup out;
    const auto name = dns::Name::parse(selector + "._domainkey." + domain);
    if (!name) {
        out.reason = "the key's name is too long for the DNS";
        co_return out;
    }
    const env::DnsAnswer answer = co_await resolver.query(*name, dns::Type::Txt);
    if (answer.temporary()) {
        out.result = Result::TempError;
        out.reason = "the key could not be looked up: " + answer.why;
        co_return out;
    }
    out.reason = fmt::format("no key at {}", name->text());
    std::size_t tried = 0;
    for (const auto& record : answer.records) {
        const auto* txt = std::get_if<dns::Txt>(&record);
        if (!txt || ++tried > key_records_max) continue;
        auto key = parse_key_record(txt->joined(), algorithm);
        if (key) {
            out.key = std::move(*key);
            out.reason.clear();
            co_return out;
        }
        out.reason = key.error().why;
    }
    co_return out;
}

env::Task<SignatureResult> Verifier::State::verify(const Candidate& candidate, env::Resolver& resolver,
                                                   std::uint64_t now) {
    const Signature& signature = *candidate.signature;
    SignatureResult out = candidate.result;
    if (signature.algorithm == Algorithm::RsaSha1)
        co_return decided(out, Result::PermError, "rsa-sha1 is no longer accepted (RFC 8301)");
    if (signature.expiration && *signature.expiration < now)
        co_return decided(out, Result::PermError, "the signature has expired");
    const BodyHash& hash = digests.at(candidate.body);
    if (signature.body_length && *signature.body_length > hash.canonical_octets)
        co_return decided(out, Result::PermError, "l= is longer than the body");
    KeyLookup lookup =
        co_await look_up_key(resolver, signature.domain, signature.selector, signature.algorithm);
    if (!lookup.key) co_return decided(out, lookup.result, lookup.reason);
    const KeyRecord& record = *lookup.key;
    out.testing = record.testing;
    out.key_bits = record.key.bits();
    if (record.key.is_rsa() && out.key_bits < options.rsa_bits_min)
        co_return decided(out, Result::Policy, fmt::format("the key has only {} bits", out.key_bits));
    if (record.strict_identity &&
        !base::iequals(std::string_view(signature.identity).substr(signature.identity.rfind('@') + 1),
                       signature.domain))
        co_return decided(out, Result::PermError, "the key allows no subdomain in i= (t=s)");
    if (hash.digest != signature.body_hash)
        co_return decided(out, Result::Fail, "the body was changed (bh= does not match)");
    const std::string data = signed_header_data(
        fields, signature.signed_names, without_signature_value(candidate.field.raw), signature.header_form);
    if (!record.key.verify(sha256(data), signature.signature))
        co_return decided(out, Result::Fail,
                          "the signed header fields were changed, or the key is another (b= does not match)");
    out.unsigned_octets = signature.body_length ? hash.canonical_octets - *signature.body_length : 0;
    if (out.unsigned_octets > 0 && options.partial_body == VerifyOptions::PartialBody::Policy)
        co_return decided(out, Result::Policy,
                          fmt::format("l= leaves {} octets of the body unsigned", out.unsigned_octets));
    out.result = Result::Pass;
    co_return out;
}

env::Task<std::vector<SignatureResult>> Verifier::finish(env::Resolver& resolver, std::uint64_t now) {
    for (auto& [form, hasher] : state_->hashers) {
        State::BodyHash hash;
        hash.digest = hasher.finish();
        hash.canonical_octets = hasher.canonical_octets();
        state_->digests.emplace(form, std::move(hash));
    }
    std::vector<SignatureResult> out;
    for (const auto& candidate : state_->candidates) {
        if (!candidate.signature) {
            out.push_back(candidate.result);
            continue;
        }
        out.push_back(co_await state_->verify(candidate, resolver, now));
    }
    co_return out;
}

}  // namespace dkim
