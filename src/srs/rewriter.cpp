#include "srs/rewriter.hpp"

#include "base/base64.hpp"
#include "base/check.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <optional>

namespace srs {
namespace {

constexpr std::string_view base32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
constexpr std::uint64_t day_seconds = 86400, days_in_cycle = 1024;  // two characters of base32
constexpr std::string_view separators = "=+-";
constexpr std::size_t tag_octets = 4;  // "SRS0"

enum class Form { Plain, Once, Twice };

Form form_of(std::string_view local_part) {
    if (local_part.size() <= tag_octets || separators.find(local_part[tag_octets]) == std::string_view::npos)
        return Form::Plain;
    if (base::istarts_with(local_part, "SRS0")) return Form::Once;
    return base::istarts_with(local_part, "SRS1") ? Form::Twice : Form::Plain;
}

/// "a=b=c=d" in at most N pieces; nullopt: fewer, or an empty one.
template <std::size_t N>
std::optional<std::array<std::string_view, N>> pieces(std::string_view text) {
    std::array<std::string_view, N> out;
    for (std::size_t i = 0; i < N; ++i) {
        const auto end = i + 1 < N ? text.find('=') : text.size();
        if (end == std::string_view::npos || end == 0) return std::nullopt;
        out[i] = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return out;
}

std::string day_text(std::uint64_t now) {
    const auto day = now / day_seconds % days_in_cycle;
    return {base32[day / base32.size()], base32[day % base32.size()]};
}

/// How many days ago, from 0 to 1023: a day that is to come was long ago.
std::optional<std::uint64_t> age_days(std::string_view day, std::uint64_t now) {
    if (day.size() != 2) return std::nullopt;
    std::uint64_t then = 0;
    for (const char c : day) {
        const auto digit = base32.find(base::to_upper(c));
        if (digit == std::string_view::npos) return std::nullopt;
        then = then * base32.size() + digit;
    }
    return (now / day_seconds % days_in_cycle + days_in_cycle - then) % days_in_cycle;
}

}  // namespace

std::string_view to_text(Error error) {
    switch (error) {
        case Error::NotRewritten:
            return "not a rewritten address of ours";
        case Error::BadHash:
            return "the hash of the rewritten address is wrong";
        case Error::Expired:
            return "the rewritten address has expired";
        case Error::TooLong:
            return "the rewritten address would be too long";
    }
    return "";
}

Rewriter::Rewriter(Rules rules) : rules_(std::move(rules)) { CHECK(!rules_.secrets.empty()); }

std::string Rewriter::hash(std::string_view secret, std::initializer_list<std::string_view> parts) const {
    std::string data;
    for (const auto part : parts) data += base::lower(part);
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned octets = 0;
    const auto* done =
        HMAC(EVP_sha1(), secret.data(), static_cast<int>(secret.size()),
             reinterpret_cast<const unsigned char*>(data.data()), data.size(), digest.data(), &octets);
    CHECK(done != nullptr);
    return base::base64_encode({reinterpret_cast<const char*>(digest.data()), octets});
}

bool Rewriter::hash_holds(std::string_view hash_text, std::initializer_list<std::string_view> parts) const {
    if (hash_text.size() < rules_.hash_octets_min) return false;
    const std::string given = base::lower(hash_text);
    return std::ranges::any_of(rules_.secrets, [&](const auto& secret) {
        const std::string right = base::lower(hash(secret, parts));
        return given.size() <= right.size() && CRYPTO_memcmp(given.data(), right.data(), given.size()) == 0;
    });
}

std::expected<mail::Address, Error> Rewriter::forward(const mail::Address& sender, std::uint64_t now) const {
    const std::string_view local = sender.local_part;
    if (sender.domain.empty() || local.empty() || sender.domain.find('=') != std::string::npos)
        return std::unexpected(Error::NotRewritten);
    const auto signed_start = [&](std::initializer_list<std::string_view> parts) {
        return hash(rules_.secrets.front(), parts).substr(0, rules_.hash_octets);
    };
    mail::Address out;
    out.domain = rules_.domain;
    const auto form = form_of(local);
    // Of an address that was rewritten before, only the first forwarder is kept: it alone can read the rest.
    const auto twice = form == Form::Twice ? pieces<3>(local.substr(tag_octets + 1)) : std::nullopt;
    if (twice) {
        const auto [old_hash, host, rest] = *twice;
        out.local_part = "SRS1" + std::string(1, rules_.separator) + signed_start({host, rest}) + "=" +
                         std::string(host) + "=" + std::string(rest);
    } else if (form == Form::Once) {
        const auto rest = local.substr(tag_octets);
        out.local_part = "SRS1" + std::string(1, rules_.separator) + signed_start({sender.domain, rest}) +
                         "=" + sender.domain + "=" + std::string(rest);
    } else {
        const auto day = day_text(now);
        out.local_part = "SRS0" + std::string(1, rules_.separator) +
                         signed_start({day, sender.domain, local}) + "=" + day + "=" + sender.domain + "=" +
                         std::string(local);
    }
    if (out.local_part.size() > rules_.local_part_octets_max) return std::unexpected(Error::TooLong);
    return out;
}

bool Rewriter::is_ours(const mail::Address& address) const {
    return base::iequals(address.domain, rules_.domain) && form_of(address.local_part) != Form::Plain;
}

std::expected<mail::Address, Error> Rewriter::reverse(const mail::Address& address, std::uint64_t now) const {
    if (!is_ours(address)) return std::unexpected(Error::NotRewritten);
    const auto rest = std::string_view(address.local_part).substr(tag_octets + 1);
    mail::Address out;
    if (form_of(address.local_part) == Form::Twice) {
        const auto parts = pieces<3>(rest);
        if (!parts) return std::unexpected(Error::BadHash);
        const auto [hash_text, host, inner] = *parts;
        if (!hash_holds(hash_text, {host, inner})) return std::unexpected(Error::BadHash);
        out.local_part = "SRS0" + std::string(inner);
        out.domain = host;
        return out;
    }
    const auto parts = pieces<4>(rest);
    if (!parts) return std::unexpected(Error::BadHash);
    const auto [hash_text, day, host, local] = *parts;
    if (!hash_holds(hash_text, {day, host, local})) return std::unexpected(Error::BadHash);
    const auto age = age_days(day, now);
    if (!age || *age > rules_.age_days_max) return std::unexpected(Error::Expired);
    out.local_part = local;
    out.domain = host;
    return out;
}

}  // namespace srs
