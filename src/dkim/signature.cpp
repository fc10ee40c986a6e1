#include "dkim/signature.hpp"

#include "base/base64.hpp"
#include "base/result.hpp"
#include "base/text.hpp"
#include "dns/name.hpp"
#include "mail/author.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace dkim {
namespace {

bool is_tag_name(std::string_view name) {
    return !name.empty() && base::is_alpha(name.front()) &&
           std::ranges::all_of(name, [](char c) { return base::is_alnum(c) || c == '_'; });
}

/// ftext (RFC 5322 §3.6.8)
bool is_field_name(std::string_view name) {
    return !name.empty() && std::ranges::all_of(name, [](char c) { return c > ' ' && c < 0x7f && c != ':'; });
}

std::string without_space(std::string_view text) {
    std::string out;
    std::ranges::copy_if(text, std::back_inserter(out), [](char c) { return !base::is_space(c); });
    return out;
}

// base64string of §2.10 may be padded or not in the wild; strict otherwise.
std::optional<std::string> decode(std::string text) {
    while (text.size() % 4 != 0) text += '=';
    return base::base64_decode(text);
}

std::optional<Algorithm> parse_algorithm(std::string_view text) {
    for (const auto algorithm : {Algorithm::RsaSha256, Algorithm::Ed25519Sha256, Algorithm::RsaSha1})
        if (base::iequals(text, to_text(algorithm))) return algorithm;
    return std::nullopt;
}

std::expected<std::optional<std::uint64_t>, std::string> number_tag(const TagList& tags,
                                                                    std::string_view name) {
    const auto* text = tags.find(name);
    if (!text) return std::optional<std::uint64_t>{};
    const auto value = base::parse_number(*text);
    if (!value) return std::unexpected(fmt::format("{}= is not a number", name));
    return value;
}

/// d= and s=: no white space inside; U-labels become A-labels.
std::optional<dns::Name> name_tag(std::string_view text) {
    const auto ascii = mail::to_a_labels(text);
    auto name = ascii ? dns::Name::parse(*ascii) : std::nullopt;
    return name && !name->is_root() ? name : std::nullopt;
}

bool identity_within(std::string_view identity, const dns::Name& domain) {
    const auto at = identity.rfind('@');
    if (at == std::string_view::npos) return false;
    const auto host = name_tag(identity.substr(at + 1));
    return host && host->is_within(domain);
}

bool contains(const std::vector<std::string>& list, std::string_view word) {
    return std::ranges::any_of(list, [&](const auto& item) { return base::iequals(item, word); });
}

/// FWS (§2.8) is what may stand between; of the rest only VALCHAR and UTF-8.
bool is_tag_text(std::string_view text) {
    return base::is_utf8(text) && std::ranges::all_of(text, [](char c) {
               const auto octet = static_cast<unsigned char>(c);
               return octet > 0x7f || base::is_print(c) || c == '\t' || c == '\r' || c == '\n';
           });
}

}  // namespace

std::expected<TagList, std::string> TagList::parse(std::string_view text) {
    TagList out;
    if (!is_tag_text(text)) return std::unexpected("octets that no tag may hold");
    const auto pieces = base::split(text, ';');
    for (std::size_t i = 0; i < pieces.size(); ++i) {
        const auto piece = base::trim(pieces[i]);
        if (piece.empty()) {
            if (i + 1 == pieces.size()) break;  // a trailing semicolon
            return std::unexpected("an empty tag");
        }
        const auto equals = piece.find('=');
        if (equals == std::string_view::npos) return std::unexpected("a tag without '='");
        const auto name = base::trim(piece.substr(0, equals));
        if (!is_tag_name(name)) return std::unexpected("a bad tag name");
        if (out.find(name)) return std::unexpected(fmt::format("{}= stands twice", name));
        if (out.tags_.size() >= tags_max) return std::unexpected("too many tags");
        out.tags_.emplace_back(name, base::trim(piece.substr(equals + 1)));
    }
    return out;
}

const std::string* TagList::find(std::string_view name) const {
    const auto found =
        std::ranges::find(tags_, name, [](const auto& tag) { return std::string_view(tag.first); });
    return found == tags_.end() ? nullptr : &found->second;
}

std::optional<std::string> TagList::compact(std::string_view name) const {
    const auto* value = find(name);
    return value ? std::optional(without_space(*value)) : std::nullopt;
}

std::vector<std::string> TagList::list(std::string_view name) const {
    std::vector<std::string> out;
    if (const auto* value = find(name))
        for (const auto item : base::split(*value, ':')) out.emplace_back(base::trim(item));
    return out;
}

std::optional<std::pair<Canonicalization, Canonicalization>> parse_canonicalization(std::string_view text) {
    const auto one = [](std::string_view word) -> std::optional<Canonicalization> {
        if (base::iequals(word, "simple")) return Canonicalization::Simple;
        if (base::iequals(word, "relaxed")) return Canonicalization::Relaxed;
        return std::nullopt;
    };
    const auto slash = text.find('/');
    const auto header = one(text.substr(0, slash));
    const auto body = slash == std::string_view::npos ? std::optional(Canonicalization::Simple)
                                                      : one(text.substr(slash + 1));
    if (!header || !body) return std::nullopt;
    return std::pair(*header, *body);
}

std::expected<Signature, std::string> parse_signature(std::string_view value, const SignatureLimits& limits) {
    if (value.size() > limits.field_octets_max) return std::unexpected("the field is too long");
    TRY_ASSIGN(const TagList tags, TagList::parse(value));
    for (const auto name : {"v", "a", "b", "bh", "d", "h", "s"})
        if (!tags.find(name)) return std::unexpected(fmt::format("{}= is missing", name));
    if (*tags.find("v") != "1") return std::unexpected("v= is not 1");
    Signature out;
    const auto algorithm = parse_algorithm(*tags.find("a"));
    if (!algorithm) return std::unexpected("a= names an unknown algorithm");
    out.algorithm = *algorithm;
    const auto signature = decode(*tags.compact("b"));
    const auto body_hash = decode(*tags.compact("bh"));
    if (!signature || signature->empty()) return std::unexpected("b= is not base64");
    if (!body_hash || body_hash->empty()) return std::unexpected("bh= is not base64");
    out.signature = *signature;
    out.body_hash = *body_hash;
    if (const auto* form = tags.find("c")) {
        const auto forms = parse_canonicalization(*form);
        if (!forms) return std::unexpected("c= is not known");
        out.header_form = forms->first;
        out.body_form = forms->second;
    }
    const auto domain = name_tag(*tags.find("d"));
    const auto selector = name_tag(*tags.find("s"));
    if (!domain) return std::unexpected("d= is not a domain");
    if (!selector) return std::unexpected("s= is not a selector");
    out.domain = domain->text();
    out.selector = selector->text();
    out.identity = tags.compact("i").value_or("@" + out.domain);
    if (!identity_within(out.identity, *domain)) return std::unexpected("i= is not within d=");
    out.signed_names = tags.list("h");
    if (out.signed_names.size() > limits.signed_names_max) return std::unexpected("h= names too many fields");
    if (!std::ranges::all_of(out.signed_names, is_field_name))
        return std::unexpected("h= holds what is no field name");
    if (!contains(out.signed_names, "from")) return std::unexpected("h= does not name From");
    if (tags.find("q") && !contains(tags.list("q"), "dns/txt"))
        return std::unexpected("q= names no known query method");
    TRY_ASSIGN(out.body_length, number_tag(tags, "l"));
    TRY_ASSIGN(out.timestamp, number_tag(tags, "t"));
    TRY_ASSIGN(out.expiration, number_tag(tags, "x"));
    if (out.timestamp && out.expiration && *out.expiration <= *out.timestamp)
        return std::unexpected("x= is not behind t=");
    return out;
}

std::string without_signature_value(std::string_view raw) {
    const auto colon = raw.find(':');
    std::size_t at = colon == std::string_view::npos ? raw.size() : colon + 1;
    while (at < raw.size()) {
        const auto end = std::min(raw.find(';', at), raw.size());
        const std::string_view tag = raw.substr(at, end - at);
        const auto equals = tag.find('=');
        if (equals != std::string_view::npos && base::trim(tag.substr(0, equals)) == "b") {
            std::size_t value_end = end;
            // The CRLF that ends the field is not part of the value.
            if (end == raw.size() && raw.ends_with("\r\n")) value_end = raw.size() - 2;
            return std::string(raw.substr(0, at + equals + 1)) + std::string(raw.substr(value_end));
        }
        at = end + 1;
    }
    return std::string(raw);
}

std::expected<KeyRecord, KeyError> parse_key_record(std::string_view text, Algorithm algorithm) {
    const auto fail = [](std::string why) { return std::unexpected(KeyError{false, std::move(why)}); };
    const auto tags = TagList::parse(text);
    if (!tags) return fail("the key record is malformed: " + tags.error());
    if (const auto* version = tags->find("v")) {
        if (*version != "DKIM1" || tags->in_order().front().first != "v")
            return fail("the key record's v= is not DKIM1");
    }
    const bool rsa = algorithm != Algorithm::Ed25519Sha256;
    const std::string type = tags->find("k") ? *tags->find("k") : "rsa";
    if (!base::iequals(type, rsa ? "rsa" : "ed25519")) return fail("the key record's k= does not fit a=");
    if (tags->find("h") && !contains(tags->list("h"), algorithm == Algorithm::RsaSha1 ? "sha1" : "sha256"))
        return fail("the key record's h= does not allow the signature's hash");
    const auto services = tags->list("s");
    if (tags->find("s") && !contains(services, "*") && !contains(services, "email"))
        return fail("the key record's s= is not for email");
    const auto value = tags->compact("p");
    if (!value) return fail("the key record has no p=");
    if (value->empty()) return std::unexpected(KeyError{true, "the key was revoked (p= is empty)"});
    const auto octets = decode(*value);
    if (!octets) return fail("the key record's p= is not base64");
    auto key = rsa ? PublicKey::rsa(*octets) : PublicKey::ed25519(*octets);
    if (!key) return fail(key.error());
    const auto flags = tags->list("t");
    return KeyRecord{std::move(*key), contains(flags, "y"), contains(flags, "s")};
}

}  // namespace dkim
