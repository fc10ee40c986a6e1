#include "delivery/tls_policy.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace delivery {
namespace {

using Level = ClientTlsLevel;

void set_level(TlsPolicy& policy, Level level, const SmtpClientOptions& options) {
    policy.level = level;
    const bool mandatory = policy.mandatory();
    policy.protocols.protocols = mandatory ? options.mandatory_protocols : options.protocols;
    policy.protocols.grade = mandatory ? options.mandatory_ciphers : options.ciphers;
    policy.protocols.exclude_ciphers =
        options.exclude_ciphers + (mandatory ? " " + options.mandatory_exclude_ciphers : "");
    policy.match = level == Level::Verify        ? options.verify_match
                   : level == Level::Secure      ? options.secure_match
                   : level == Level::Fingerprint ? options.fingerprint_match
                                                 : std::vector<std::string>{};
}

std::optional<Level> parse_level(std::string_view word) {
    for (const auto& [name, level] : enum_words(Level{}))
        if (!name.empty() && base::iequals(name, word)) return level;
    return std::nullopt;
}

// "secure match=example.org:.example.org protocols=>=TLSv1.2"
std::expected<TlsPolicy, std::string> parse_entry(const std::string& entry,
                                                  const SmtpClientOptions& options) {
    const auto words = base::split_any(entry, " \t,");
    const auto level = words.empty() ? std::nullopt : parse_level(words[0]);
    if (!level) return std::unexpected(fmt::format("smtp_tls_policy_maps: '{}' has no known level", entry));
    TlsPolicy out;
    out.server_name = options.server_name;
    set_level(out, *level, options);
    bool matched = false;
    for (std::size_t i = 1; i < words.size(); ++i) {
        const auto equals = words[i].find('=');
        const auto name = words[i].substr(0, equals);
        const std::string value(equals == std::string_view::npos ? std::string_view{}
                                                                 : words[i].substr(equals + 1));
        if (base::iequals(name, "match")) {
            if (!matched) out.match.clear();
            matched = true;
            for (const auto one : base::split_any(value, out.level == Level::Fingerprint ? "|" : ":|"))
                out.match.emplace_back(one);
        } else if (base::iequals(name, "protocols")) {
            out.protocols.protocols = value;
        } else if (base::iequals(name, "ciphers")) {
            out.protocols.grade = value;
        } else if (base::iequals(name, "exclude")) {
            out.protocols.exclude_ciphers = value;
        } else if (base::iequals(name, "servername")) {
            out.server_name = value;
        } else {
            return std::unexpected(fmt::format("smtp_tls_policy_maps: '{}' is not an attribute", words[i]));
        }
    }
    return out;
}

std::string fingerprint_key(std::string_view text) {
    std::string out;
    for (const char c : text)
        if (c != ':') out += base::to_lower(c);
    return out;
}

}  // namespace

env::Task<std::expected<TlsPolicy, std::string>> choose_tls_policy(const SmtpClientOptions& options,
                                                                   const tables::TableList& policy_maps,
                                                                   std::string next_hop) {
    std::vector<std::string> keys{next_hop};
    if (!next_hop.starts_with('[')) {
        const std::string domain = next_hop.substr(0, next_hop.find(':'));
        if (domain != next_hop) keys.push_back(domain);
        for (auto dot = domain.find('.'); dot != std::string::npos; dot = domain.find('.', dot + 1))
            keys.push_back(domain.substr(dot));
    }
    if (!policy_maps.empty())
        for (const auto& key : keys) {
            auto found = co_await policy_maps.lookup(key);
            if (!found) co_return std::unexpected("smtp_tls_policy_maps: " + found.error().text);
            if (!*found) continue;
            auto parsed = parse_entry(**found, options);
            co_return parsed;
        }
    TlsPolicy out;
    out.server_name = options.server_name;
    Level level = options.tls_level;
    if (level == Level::Unset)
        level = options.enforce_tls ? Level::Verify : options.use_tls ? Level::May : Level::None;
    if (options.wrapper_mode && level < Level::Encrypt) level = Level::Encrypt;
    set_level(out, level, options);
    co_return out;
}

env::TlsClientSettings handshake_settings(const TlsPolicy& policy, const std::string& host,
                                          const std::string& next_hop_domain) {
    env::TlsClientSettings out;
    out.protocols = policy.protocols;
    const std::string name = policy.server_name.empty() || policy.server_name == "hostname" ? host
                             : policy.server_name == "nexthop"                              ? next_hop_domain
                                                               : policy.server_name;
    if (!env::IpAddress::parse(name)) out.server_name = name;
    out.verify = policy.verifies();
    if (out.verify)
        for (const auto& pattern : policy.match)
            out.match_names.push_back(pattern == "hostname"      ? host
                                      : pattern == "nexthop"     ? next_hop_domain
                                      : pattern == "dot-nexthop" ? "." + next_hop_domain
                                                                 : pattern);
    return out;
}

std::optional<std::string> policy_violation(const TlsPolicy& policy, const env::TlsInfo& info) {
    if (policy.level != Level::Fingerprint) return std::nullopt;
    const auto mine = fingerprint_key(info.peer_fingerprint);
    if (!mine.empty() && std::ranges::any_of(policy.match, [&](const auto& wanted) {
            return fingerprint_key(wanted) == mine;
        }))
        return std::nullopt;
    return fmt::format("Server certificate not verified: its fingerprint is {}", info.peer_fingerprint);
}

}  // namespace delivery
