#include "routing/mail_hosts.hpp"

#include "base/text.hpp"
#include "dns/zone_text.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace routing {
namespace {

MailHostTrouble not_found(std::string_view name, dns::Type type, const env::DnsAnswer& answer) {
    const bool later = answer.temporary();
    return {later ? mail::Status{4, 4, 3} : mail::Status{5, 4, 4},
            fmt::format("Host or domain name not found. Name service error for name={} type={}: {}", name,
                        dns::to_text(type), answer.why.empty() ? "Host not found" : answer.why)};
}

/// Appends the addresses of `host`. The trouble: there are none.
env::Task<std::expected<void, MailHostTrouble>> add_addresses(env::Resolver& resolver, std::string host,
                                                              std::uint16_t preference,
                                                              const MailHostRules& rules,
                                                              std::vector<MailHost>& out) {
    const auto before = out.size();
    const auto wanted = [&](const env::IpAddress& address) {
        return address.is_v4() ? rules.families != MailHostRules::Families::V6
                               : rules.families != MailHostRules::Families::V4;
    };
    if (const auto literal = env::IpAddress::parse(host)) {
        if (wanted(*literal)) out.push_back({host, preference, *literal});
        co_return std::expected<void, MailHostTrouble>{};
    }
    const auto name = dns::Name::parse(host);
    if (!name || name->is_root())
        co_return std::unexpected(
            MailHostTrouble{{5, 1, 2}, fmt::format("'{}' is not a host name", base::printable(host, 255))});
    if (base::iequals(host, "localhost")) {  // RFC 6761 §6.3
        out.push_back({host, preference, *env::IpAddress::parse("127.0.0.1")});
        co_return std::expected<void, MailHostTrouble>{};
    }
    std::optional<MailHostTrouble> first, temporary;
    for (const auto type : {dns::Type::A, dns::Type::Aaaa}) {
        if (type == dns::Type::A && rules.families == MailHostRules::Families::V6) continue;
        if (type == dns::Type::Aaaa && rules.families == MailHostRules::Families::V4) continue;
        const env::DnsAnswer answer = co_await resolver.query(*name, type);
        if (!answer.ok()) {
            if (!first) first = not_found(host, type, answer);
            if (answer.temporary() && !temporary) temporary = not_found(host, type, answer);
            if (answer.status == env::DnsAnswer::Status::NxDomain) break;
        }
        for (const auto& record : answer.records) {
            if (out.size() >= rules.addresses_max) break;
            if (const auto* v4 = std::get_if<dns::A>(&record))
                out.push_back({host, preference, env::IpAddress::from_bytes(v4->address)});
            if (const auto* v6 = std::get_if<dns::Aaaa>(&record))
                out.push_back({host, preference, env::IpAddress::from_bytes(v6->address)});
        }
    }
    if (out.size() > before) co_return std::expected<void, MailHostTrouble>{};
    if (temporary) co_return std::unexpected(*temporary);
    co_return std::unexpected(first.value_or(
        MailHostTrouble{{5, 4, 4}, fmt::format("host {} has no address of the protocols in use", host)}));
}

/// Random order, the preferred family first, within each preference.
void put_in_order(std::vector<MailHost>& hosts, env::Random& random, const MailHostRules& rules) {
    struct Key {
        std::uint16_t preference;
        int family;
        std::uint64_t dice;
    };
    std::vector<std::pair<Key, MailHost>> keyed;
    for (auto& host : hosts) {
        const bool first = rules.prefer == MailHostRules::Prefer::Any ||
                           (rules.prefer == MailHostRules::Prefer::V4) == host.address.is_v4();
        keyed.push_back({{host.preference, first ? 0 : 1, random.next()}, std::move(host)});
    }
    std::ranges::sort(keyed, [](const auto& a, const auto& b) {
        return std::tie(a.first.preference, a.first.family, a.first.dice) <
               std::tie(b.first.preference, b.first.family, b.first.dice);
    });
    hosts.clear();
    for (auto& [key, host] : keyed) hosts.push_back(std::move(host));
}

MailHostTrouble loops(const std::string& domain) {
    return {{5, 4, 6},
            fmt::format(
                "mail for {} loops back to myself: the best mail host of the domain is this machine, and the "
                "domain is in none of mydestination, virtual_alias_domains, virtual_mailbox_domains and "
                "relay_domains",
                domain)};
}

}  // namespace

env::Task<MailHosts> find_host(env::Resolver& resolver, env::Random& random, std::string host,
                               MailHostRules rules) {
    std::vector<MailHost> out;
    auto found = co_await add_addresses(resolver, host, 0, rules, out);
    if (!found) co_return std::unexpected(found.error());
    put_in_order(out, random, rules);
    co_return out;
}

env::Task<MailHosts> find_mail_hosts(env::Resolver& resolver, env::Random& random, std::string domain,
                                     MailHostRules rules) {
    const auto name = dns::Name::parse(domain);
    if (env::IpAddress::parse(domain) || !name || name->is_root()) {
        auto direct = co_await find_host(resolver, random, std::move(domain), std::move(rules));
        co_return direct;
    }
    const env::DnsAnswer answer = co_await resolver.query(*name, dns::Type::Mx);
    if (answer.temporary()) co_return std::unexpected(not_found(domain, dns::Type::Mx, answer));
    std::vector<std::pair<std::uint16_t, std::string>> exchangers;
    for (const auto& record : answer.records) {
        const auto* mx = std::get_if<dns::Mx>(&record);
        if (!mx) continue;
        if (mx->exchange.is_root() && answer.records.size() == 1)  // RFC 7505 §3
            co_return std::unexpected(
                MailHostTrouble{{5, 1, 10}, fmt::format("Domain {} does not accept mail (nullMX)", domain)});
        if (!mx->exchange.is_root()) exchangers.emplace_back(mx->preference, mx->exchange.text());
    }
    std::vector<MailHost> out;
    std::optional<MailHostTrouble> first, temporary;
    if (answer.status == env::DnsAnswer::Status::NxDomain)
        co_return std::unexpected(not_found(domain, dns::Type::A, answer));
    if (exchangers.empty()) {
        exchangers.emplace_back(0, domain);  // the domain is its own mail host
    } else {
        std::ranges::sort(exchangers, {}, &std::pair<std::uint16_t, std::string>::first);
        if (exchangers.size() > rules.hosts_max) exchangers.resize(rules.hosts_max);
    }
    for (const auto& [preference, host] : exchangers) {
        auto found = co_await add_addresses(resolver, host, preference, rules, out);
        if (found) continue;
        if (!first) first = found.error();
        if (found.error().status.is_transient() && !temporary) temporary = found.error();
    }
    if (out.empty()) co_return std::unexpected(temporary ? *temporary : *first);
    // Hosts that are no better than ourselves would send the mail back to us (RFC 5321 §5.1).
    const auto own = std::ranges::find_if(
        out, [&](const auto& host) { return rules.own_addresses.contains(host.address); });
    if (own != out.end()) {
        const auto ours = own->preference;
        std::erase_if(out, [&](const auto& host) { return host.preference >= ours; });
        if (out.empty()) co_return std::unexpected(loops(domain));
    }
    put_in_order(out, random, rules);
    co_return out;
}

}  // namespace routing
