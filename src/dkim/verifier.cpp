#include "dkim/verifier.hpp"

#include "base/base64.hpp"
#include "base/text.hpp"
#include "mail/author.hpp"

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
    void choose_signatures();
    env::Task<SignatureResult> verify(const Candidate& candidate, env::Resolver& resolver, std::uint64_t now);
};

Candidate read_candidate(const Field& field, const SignatureLimits& limits) {
    Candidate out;
    out.field = field;
    auto signature = parse_signature(field.raw.substr(field.raw.find(':') + 1), limits);
    if (!signature) {
        out.result = decided({}, Result::PermError, signature.error());
        return out;
    }
    out.result.domain = signature->domain;
    out.result.selector = signature->selector;
    out.result.algorithm = to_text(signature->algorithm);
    out.result.identity = signature->identity;
    out.result.signature_start = base::base64_encode(signature->signature).substr(0, 8);
    out.body = {signature->body_form,
                signature->body_length.value_or(std::numeric_limits<std::uint64_t>::max())};
    out.signature = std::move(*signature);
    return out;
}

/// How near a signer is to an author: labels in common, from the right. One in common (a top-level domain) is
/// none.
std::size_t labels_in_common(std::string_view signer, std::string_view author) {
    const auto left = base::split(signer, '.'), right = base::split(author, '.');
    std::size_t same = 0;
    while (same < left.size() && same < right.size() &&
           base::iequals(left[left.size() - 1 - same], right[right.size() - 1 - same]))
        ++same;
    return same > 1 || same == right.size() ? same : 0;
}

/// RFC 6376 §6.1 leaves the order to the verifier. What a list or a gateway put on top must not push the
/// author's own signature, which DMARC asks for, behind the limit.
void Verifier::State::choose_signatures() {
    struct Place {
        std::size_t near, index;
    };
    std::vector<Place> readable;
    const auto authors = mail::find_author(header_block).domains;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
        if (!candidates[i].signature) continue;
        std::size_t near = 0;
        for (const auto& author : authors)
            near = std::max(near, labels_in_common(candidates[i].signature->domain, author));
        readable.push_back({near, i});
    }
    std::ranges::sort(readable, [](const Place& a, const Place& b) {
        return a.near != b.near ? a.near > b.near : a.index < b.index;
    });
    for (std::size_t i = options.signatures_max; i < readable.size(); ++i) {
        Candidate& one = candidates[readable[i].index];
        one.signature.reset();
        one.result = decided(one.result, Result::Policy, "more signatures than are verified");
    }
    // Of those that are not verified a few are told of.
    std::size_t told = 0;
    std::erase_if(candidates,
                  [&](const Candidate& one) { return !one.signature && ++told > options.signatures_max; });
}

void Verifier::State::find_signatures() {
    fields = split_fields(header_block);
    for (const auto& field : fields) {
        if (!base::iequals(field.name, "DKIM-Signature")) continue;
        if (candidates.size() >= options.signatures_read_max) break;
        candidates.push_back(read_candidate(field, options.limits));
    }
    if (candidates.size() > options.signatures_max) choose_signatures();
    for (const auto& one : candidates)
        if (one.signature) hashers.try_emplace(one.body, one.body.form, one.body.length_max);
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
                               std::string_view signature_field, Canonicalization form,
                               std::string_view own_raw) {
    // For each name the instances from the bottom up; a name given more often than it stands is an assertion
    // that no more exist, and adds nothing (§5.4.2).
    std::map<std::string_view, std::vector<const Field*>, base::ILess> left;
    for (const auto& name : names) left.try_emplace(name);
    for (const auto& field : fields) {
        if (!own_raw.empty() && field.raw.data() == own_raw.data()) continue;
        if (const auto found = left.find(field.name); found != left.end()) found->second.push_back(&field);
    }
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

std::vector<std::string> unsigned_duplicates(const std::vector<Field>& fields,
                                             const std::vector<std::string>& names) {
    constexpr std::string_view once[] = {
        "from",        "sender",     "reply-to",     "subject",    "date",        "to",
        "cc",          "message-id", "mime-version", "references", "in-reply-to", "content-transfer-encoding",
        "content-type"};  // RFC 5322 §3.6, RFC 2045 §3
    std::vector<std::string> out;
    for (const auto name : once) {
        const auto standing = std::ranges::count_if(
            fields, [&](const Field& field) { return base::iequals(field.name, name); });
        const auto covered =
            std::ranges::count_if(names, [&](const auto& one) { return base::iequals(one, name); });
        if (standing > 1 && covered > 0 && standing > covered) out.emplace_back(name);
    }
    return out;
}

env::Task<KeyLookup> look_up_key(env::Resolver& resolver, std::string domain, std::string selector,
                                 Algorithm algorithm) {
    KeyLookup out;
    const auto name = dns::Name::parse(selector + "._domainkey." + domain);
    if (!name) {
        out.reason = "the key's name is none that the DNS can carry";
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
    const std::string data =
        signed_header_data(fields, signature.signed_names, without_signature_value(candidate.field.raw),
                           signature.header_form, candidate.field.raw);
    if (!record.key.verify(sha256(data), signature.signature))
        co_return decided(out, Result::Fail,
                          "the signed header fields were changed, or the key is another (b= does not match)");
    out.unsigned_octets = signature.body_length ? hash.canonical_octets - *signature.body_length : 0;
    if (out.unsigned_octets > 0 && options.partial_body == VerifyOptions::PartialBody::Policy)
        co_return decided(out, Result::Policy,
                          fmt::format("l= leaves {} octets of the body unsigned", out.unsigned_octets));
    const auto added = unsigned_duplicates(fields, signature.signed_names);
    if (!added.empty() && added.front() == "from")
        co_return decided(out, Result::Policy,
                          "a From field stands there that is not signed (RFC 6376 8.15)");
    out.result = Result::Pass;
    if (!added.empty())
        out.reason = fmt::format("note: another {} field stands there that is not signed", added.front());
    else if (record.testing)
        out.reason = "note: the domain is testing DKIM (t=y)";
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
