#include "arc/chain.hpp"

#include "base/base64.hpp"
#include "base/text.hpp"
#include "dkim/verifier.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>

namespace arc {
namespace {

constexpr auto relaxed = dkim::Canonicalization::Relaxed;

std::string_view value_of(const dkim::Field& field) { return field.raw.substr(field.raw.find(':') + 1); }

/// The i= that opens an ARC-Authentication-Results ("i=1; id; …").
std::optional<std::uint64_t> instance_of_results(std::string_view value) {
    const auto first = base::trim(value.substr(0, value.find(';')));
    const auto equals = first.find('=');
    if (equals == std::string_view::npos || base::trim(first.substr(0, equals)) != "i") return std::nullopt;
    return base::parse_number(base::trim(first.substr(equals + 1)), 1000);
}

std::optional<std::uint64_t> instance_of_tags(std::string_view value) {
    const auto tags = dkim::TagList::parse(value);
    const auto text = tags ? tags->compact("i") : std::nullopt;
    return text ? base::parse_number(*text, 1000) : std::nullopt;
}

/// Which body hash a message signature needs.
struct BodyForm {
    dkim::Canonicalization form = dkim::Canonicalization::Simple;
    std::uint64_t length_max = 0;
    auto operator<=>(const BodyForm&) const = default;
};
struct BodyHash {
    std::string digest;
    std::uint64_t canonical_octets = 0;
};

struct SealTags {
    dkim::Algorithm algorithm = dkim::Algorithm::RsaSha256;
    std::string signature, domain, selector, chain_validation;
};
std::expected<SealTags, std::string> parse_seal(std::string_view value) {
    const auto tags = dkim::TagList::parse(value);
    if (!tags) return std::unexpected("ARC-Seal: " + tags.error());
    for (const auto name : {"a", "b", "cv", "d", "i", "s"})
        if (!tags->find(name)) return std::unexpected(fmt::format("ARC-Seal: {}= is missing", name));
    for (const auto name : {"h", "bh", "c"})
        if (tags->find(name)) return std::unexpected(fmt::format("ARC-Seal: {}= must not be there", name));
    SealTags out;
    const auto algorithm = *tags->compact("a");
    if (base::iequals(algorithm, "ed25519-sha256"))
        out.algorithm = dkim::Algorithm::Ed25519Sha256;
    else if (!base::iequals(algorithm, "rsa-sha256"))
        return std::unexpected("ARC-Seal: a= names an unknown algorithm");
    std::string encoded = *tags->compact("b");
    while (encoded.size() % 4 != 0) encoded += '=';
    const auto signature = base::base64_decode(encoded);
    if (!signature || signature->empty()) return std::unexpected("ARC-Seal: b= is not base64");
    out.signature = *signature;
    out.domain = *tags->compact("d");
    out.selector = *tags->compact("s");
    out.chain_validation = base::lower(*tags->compact("cv"));
    return out;
}

}  // namespace

std::string_view to_text(ChainStatus status) {
    switch (status) {
        case ChainStatus::None:
            return "none";
        case ChainStatus::Pass:
            return "pass";
        case ChainStatus::Fail:
        case ChainStatus::TempError:
            return "fail";
    }
    return "none";
}

std::expected<std::vector<Set>, std::string> read_sets(const std::vector<dkim::Field>& fields,
                                                       const Limits& limits) {
    std::map<std::uint64_t, Set> found;
    const std::size_t fields_max = 3UL * limits.instances_max;
    std::size_t seen = 0;
    for (const auto& field : fields) {
        const bool results = base::iequals(field.name, "ARC-Authentication-Results"),
                   signature = base::iequals(field.name, "ARC-Message-Signature"),
                   seal = base::iequals(field.name, "ARC-Seal");
        if (!results && !signature && !seal) continue;
        if (++seen > fields_max) return std::unexpected("more ARC sets than are allowed");
        const auto value = value_of(field);
        const auto instance = results ? instance_of_results(value) : instance_of_tags(value);
        if (!instance || *instance == 0 || *instance > limits.instances_max)
            return std::unexpected(fmt::format("{} has no valid i=", field.name));
        Set& set = found[*instance];
        auto& place = results ? set.results : signature ? set.message_signature : set.seal;
        if (place)
            return std::unexpected(fmt::format("{} of instance {} stands twice", field.name, *instance));
        place = field;
    }
    std::vector<Set> out;
    for (auto& [instance, set] : found) {
        if (instance != out.size() + 1)
            return std::unexpected(fmt::format("ARC set {} is missing", out.size() + 1));
        if (!set.results || !set.message_signature || !set.seal)
            return std::unexpected(fmt::format("ARC set {} is not complete", instance));
        const auto tags = dkim::TagList::parse(value_of(*set.seal));
        const auto cv = tags ? tags->compact("cv") : std::nullopt;
        set.chain_validation = base::lower(cv.value_or(""));
        out.push_back(set);
    }
    return out;
}

std::string seal_data(const std::vector<Set>& sets, std::string_view last_seal, bool chain_failed) {
    std::string out;
    for (std::size_t i = chain_failed ? sets.size() - 1 : 0; i < sets.size(); ++i) {
        out += dkim::canonical_field(sets[i].results->raw, relaxed);
        out += dkim::canonical_field(sets[i].message_signature->raw, relaxed);
        if (i + 1 < sets.size()) out += dkim::canonical_field(sets[i].seal->raw, relaxed);
    }
    std::string last = dkim::canonical_field(last_seal, relaxed);
    last.resize(last.size() - 2);  // without CRLF
    return out + last;
}

std::expected<dkim::Signature, std::string> parse_message_signature(std::string_view value) {
    const auto tags = dkim::TagList::parse(value);
    if (!tags) return std::unexpected("ARC-Message-Signature: " + tags.error());
    std::string plain = "v=1";
    for (const auto& [name, text] : tags->in_order())
        if (name != "i" && name != "v") plain += "; " + name + "=" + text;
    auto out = dkim::parse_signature(plain);
    if (!out) return std::unexpected("ARC-Message-Signature: " + out.error());
    for (const auto& name : out->signed_names)
        if (base::iequals(name, "arc-seal"))
            return std::unexpected("ARC-Message-Signature: h= must not name ARC-Seal");
    return out;
}

struct ChainVerifier::State {
    std::string header_block;
    Limits limits;
    std::vector<dkim::Field> fields;
    std::expected<std::vector<Set>, std::string> sets;
    struct Message {
        std::expected<dkim::Signature, std::string> signature;
        BodyForm body;
    };
    std::vector<Message> messages;  // one for each set
    /// One for each way to hash the body, however many sets there are.
    std::map<BodyForm, dkim::BodyHasher> hashers;
    std::map<BodyForm, BodyHash> hashes;

    /// nullopt: the key can be verified with.
    std::optional<std::pair<ChainStatus, std::string>> problem_of(const dkim::KeyLookup& lookup,
                                                                  const std::string& what) const;
    env::Task<std::pair<ChainStatus, std::string>> check_message(std::size_t index, env::Resolver& resolver);
    env::Task<std::pair<ChainStatus, std::string>> check_seal(std::size_t index, env::Resolver& resolver);
};

ChainVerifier::ChainVerifier(std::string header_block, Limits limits) : state_(std::make_unique<State>()) {
    State& state = *state_;
    state.header_block = std::move(header_block);
    state.limits = limits;
    state.fields = dkim::split_fields(state.header_block);
    state.sets = read_sets(state.fields, limits);
    if (!state.sets) return;
    for (const auto& set : *state.sets) {
        State::Message message{parse_message_signature(value_of(*set.message_signature)), {}};
        if (message.signature) {
            message.body = {message.signature->body_form, message.signature->body_length.value_or(
                                                              std::numeric_limits<std::uint64_t>::max())};
            if (state.hashers.contains(message.body) || state.hashers.size() < limits.body_forms_max)
                state.hashers.try_emplace(message.body, message.body.form, message.body.length_max);
            else
                message.signature = std::unexpected("ARC-Message-Signature: too many different l=");
        }
        state.messages.push_back(std::move(message));
    }
}
ChainVerifier::~ChainVerifier() = default;
ChainVerifier::ChainVerifier(ChainVerifier&&) noexcept = default;

bool ChainVerifier::has_sets() const { return !state_->sets || !state_->sets->empty(); }

void ChainVerifier::body(std::string_view octets) {
    for (auto& [form, hasher] : state_->hashers) hasher.update(octets);
}

std::optional<std::pair<ChainStatus, std::string>> ChainVerifier::State::problem_of(
    const dkim::KeyLookup& lookup, const std::string& what) const {
    if (!lookup.key)
        return std::pair(
            lookup.result == dkim::Result::TempError ? ChainStatus::TempError : ChainStatus::Fail,
            what + ": " + lookup.reason);
    if (lookup.key->key.is_rsa() && lookup.key->key.bits() < limits.rsa_bits_min)
        return std::pair(ChainStatus::Fail, what + ": the key is too short");
    return std::nullopt;
}

env::Task<std::pair<ChainStatus, std::string>> ChainVerifier::State::check_message(std::size_t index,
                                                                                   env::Resolver& resolver) {
    const Message& message = messages[index];
    if (!message.signature) co_return std::pair(ChainStatus::Fail, message.signature.error());
    const dkim::Signature& signature = *message.signature;
    const auto what = fmt::format("ARC-Message-Signature {}", index + 1);
    const BodyHash& hash = hashes.at(message.body);
    if (hash.digest != signature.body_hash)
        co_return std::pair(ChainStatus::Fail, what + ": the body was changed");
    // Whoever passed it on may have appended what he liked (RFC 6376 §8.2).
    if (signature.body_length && *signature.body_length != hash.canonical_octets)
        co_return std::pair(ChainStatus::Fail, what + ": l= does not cover the whole body");
    const auto lookup =
        co_await dkim::look_up_key(resolver, signature.domain, signature.selector, signature.algorithm);
    if (auto problem = problem_of(lookup, what)) co_return std::move(*problem);
    const auto& raw = (*sets)[index].message_signature->raw;
    const std::string data = dkim::signed_header_data(
        fields, signature.signed_names, dkim::without_signature_value(raw), signature.header_form, raw);
    if (!lookup.key->key.verify(dkim::sha256(data), signature.signature))
        co_return std::pair(ChainStatus::Fail, what + ": the signed header fields were changed");
    co_return std::pair(ChainStatus::Pass, std::string());
}

env::Task<std::pair<ChainStatus, std::string>> ChainVerifier::State::check_seal(std::size_t index,
                                                                                env::Resolver& resolver) {
    const auto what = fmt::format("ARC-Seal {}", index + 1);
    const Set& set = (*sets)[index];
    const auto seal = parse_seal(value_of(*set.seal));
    if (!seal) co_return std::pair(ChainStatus::Fail, seal.error());
    const auto lookup = co_await dkim::look_up_key(resolver, seal->domain, seal->selector, seal->algorithm);
    if (auto problem = problem_of(lookup, what)) co_return std::move(*problem);
    const std::vector<Set> so_far(sets->begin(), sets->begin() + static_cast<std::ptrdiff_t>(index) + 1);
    const std::string data = seal_data(so_far, dkim::without_signature_value(set.seal->raw), false);
    if (!lookup.key->key.verify(dkim::sha256(data), seal->signature))
        co_return std::pair(ChainStatus::Fail, what + ": the signature does not match");
    co_return std::pair(ChainStatus::Pass, std::string());
}

env::Task<ChainResult> ChainVerifier::finish(env::Resolver& resolver) {
    ChainResult out;
    State& state = *state_;
    const auto fail = [&](std::string why) {
        out.status = ChainStatus::Fail;
        out.reason = std::move(why);
        return out;
    };
    if (!state.sets) co_return fail(state.sets.error());
    for (auto& [form, hasher] : state.hashers) {
        BodyHash hash;
        hash.digest = hasher.finish();
        hash.canonical_octets = hasher.canonical_octets();
        state.hashes.emplace(form, std::move(hash));
    }
    const auto& sets = *state.sets;
    if (sets.empty()) co_return out;
    out.instances = static_cast<unsigned>(sets.size());
    for (const auto& set : sets) {
        const auto seal = parse_seal(value_of(*set.seal));
        out.sealers.push_back(seal ? base::lower(seal->domain) : "");
    }
    const auto newest = value_of(*sets.back().results);
    out.newest_results = base::trim(newest.substr(std::min(newest.find(';') + 1, newest.size())));
    // cv= of the first is none, of all others pass (§5.2 steps 2 and 3).
    if (sets.back().chain_validation == "fail") co_return fail("the newest ARC-Seal says cv=fail");
    for (std::size_t i = 0; i < sets.size(); ++i)
        if (sets[i].chain_validation != (i == 0 ? "none" : "pass"))
            co_return fail(
                fmt::format("ARC-Seal {} says cv={}", i + 1, base::printable(sets[i].chain_validation, 20)));
    auto [status, reason] = co_await state.check_message(sets.size() - 1, resolver);
    if (status != ChainStatus::Pass) {
        out.status = status;
        out.reason = reason;
        co_return out;
    }
    for (std::size_t i = sets.size(); i-- > 0;) {
        auto [seal_status, seal_reason] = co_await state.check_seal(i, resolver);
        if (seal_status == ChainStatus::Pass) continue;
        out.status = seal_status;
        out.reason = seal_reason;
        co_return out;
    }
    for (std::size_t i = sets.size() - 1; i-- > 0;) {
        const auto older = co_await state.check_message(i, resolver);
        if (older.first == ChainStatus::Pass) continue;
        out.oldest_pass = static_cast<unsigned>(i + 2);
        break;
    }
    out.status = ChainStatus::Pass;
    co_return out;
}

}  // namespace arc
