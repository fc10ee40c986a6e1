#include "accounts/password_cost.hpp"

#include "base/text.hpp"

#include <optional>

namespace accounts {
namespace {

/// Characters of crypt(3)'s own base 64, as numbers.
std::optional<unsigned> digit(std::string_view text, std::size_t at) {
    constexpr std::string_view alphabet = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    if (at >= text.size()) return std::nullopt;
    const auto found = alphabet.find(text[at]);
    return found == std::string_view::npos ? std::nullopt : std::optional(static_cast<unsigned>(found));
}

/// scrypt and yescrypt use 128 r N octets.
bool memory_is_affordable(std::uint64_t log2_n, std::uint64_t r) {
    constexpr std::uint64_t log2_max = 30;
    return log2_n <= log2_max && r <= password_kibibytes_max && (r << log2_n) / 8 <= password_kibibytes_max;
}

bool yescrypt_is_affordable(std::string_view settings) {
    // flavour, log2 N less one, r less one: numbers below 48 are one character; larger ones we need not take.
    constexpr unsigned one_character_max = 47;
    const auto flavour = digit(settings, 0), n = digit(settings, 1), r = digit(settings, 2);
    if (!flavour || !n || !r || *flavour > one_character_max || *n > one_character_max ||
        *r > one_character_max)
        return false;
    // What may follow (parallelism, time, upgrades) multiplies the work.
    return settings.size() == 3 && memory_is_affordable(*n + 1, *r + 1);
}

bool scrypt_is_affordable(std::string_view settings) {  // N one character, r and p thirty bits each
    constexpr std::uint64_t lanes_max = 16;
    const auto number = [&](std::size_t at) -> std::optional<std::uint64_t> {
        std::uint64_t out = 0;
        for (std::size_t i = 0; i < 5; ++i) {
            const auto part = digit(settings, at + i);
            if (!part) return std::nullopt;
            out |= std::uint64_t{*part} << (6 * i);
        }
        return out;
    };
    const auto n = digit(settings, 0);
    const auto r = number(1), p = number(6);
    return n && r && p && *p <= lanes_max && memory_is_affordable(*n, *r);
}

bool rounds_are_affordable(std::string_view text, std::string_view name) {
    if (!text.starts_with(name)) return true;  // the default
    text.remove_prefix(name.size());
    return base::parse_number(text.substr(0, text.find_first_of("$,")), password_rounds_max).has_value();
}

}  // namespace

bool argon2_is_affordable(std::string_view hash) {
    const auto parts = base::split(hash, '$');
    if (parts.size() < 5 || !parts[0].empty()) return false;
    const auto& settings = parts[2].starts_with("v=") ? parts[3] : parts[2];
    std::optional<std::uint64_t> memory, passes, lanes;
    for (const auto word : base::split(settings, ',')) {
        if (word.starts_with("m=")) memory = base::parse_number(word.substr(2), password_kibibytes_max);
        if (word.starts_with("t=")) passes = base::parse_number(word.substr(2), password_passes_max);
        if (word.starts_with("p=")) lanes = base::parse_number(word.substr(2), password_lanes_max);
    }
    constexpr std::uint64_t kibibyte_passes_max = 4 * password_kibibytes_max;
    return memory && passes && lanes && *memory * *passes <= kibibyte_passes_max;
}

bool crypt_is_affordable(std::string_view hash) {
    if (!hash.starts_with('$')) return true;  // traditional DES
    const auto end = hash.find_first_of("$,", 1);
    if (end == std::string_view::npos) return false;
    const auto method = hash.substr(1, end - 1), rest = hash.substr(end + 1);
    if (method == "1" || method == "3") return true;
    if (method == "5" || method == "6" || method == "md5") return rounds_are_affordable(rest, "rounds=");
    if (method == "sha1") return rounds_are_affordable(rest, "");
    if (method == "2a" || method == "2b" || method == "2x" || method == "2y")
        return base::parse_number(rest.substr(0, rest.find('$')), bcrypt_cost_max).has_value();
    if (method == "y" || method == "gy") return yescrypt_is_affordable(rest.substr(0, rest.find('$')));
    return method == "7" && scrypt_is_affordable(rest);
}

}  // namespace accounts
