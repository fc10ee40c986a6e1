#include "routing/mail_hosts.hpp"

#include "base/text.hpp"
#include "dns/zone_text.hpp"
#include "mail/author.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <span>
#include <tuple>

namespace routing {
namespace {

MailHostTrouble not_found(std::string_view name, dns::Type type, const env::DnsAnswer& answer) {
    const bool later = answer.temporary();
    return {later ? mail::Status{4, 4, 3} : mail::Status{5, 4, 4},
            fmt::format("Host or domain name not found. Name service error for name={} type={}: {}", name,
                        dns::to_text(type), answer.why.empty() ? "Host not found" : answer.why)};
}

bool wanted(const MailHostRules& rules, const env::IpAddress& address) {
    return address.is_v4() ? rules.families != MailHostRules::Families::V6
                           : rules.families != MailHostRules::Families::V4;
}

void add_from_hosts_file(const std::string& host, std::uint16_t preference, const MailHostRules& rules,
                         std::vector<MailHost>& out) {
    for (const auto& address : addresses_in_hosts_file(rules.hosts_text, host))
        if (wanted(rules, address) && out.size() < rules.addresses_max)
            out.push_back({host, preference, address});
}

/// Appends the addresses of `host`. The trouble: there are none.
env::Task<std::expected<void, MailHostTrouble>> add_addresses(env::Resolver& resolver, std::string host,
                                                              std::uint16_t preference,
                                                              const MailHostRules& rules,
                                                              std::vector<MailHost>& out) {
    const auto before = out.size();
    if (const auto literal = env::IpAddress::parse(host)) {
        if (wanted(rules, *literal)) out.push_back({host, preference, *literal});
        co_return std::expected<void, MailHostTrouble>{};
    }
    const auto name = dns::Name::parse(host);
    if (!name || name->is_root())
        co_return std::unexpected(
            MailHostTrouble{{5, 1, 2}, fmt::format("'{}' is not a host name", base::printable(host, 255))});
    if (base::iequals(host, "localhost")) {  // RFC 6761 §6.3
        for (const auto* loopback : {"127.0.0.1", "::1"}) {
            const auto address = *env::IpAddress::parse(loopback);
            if (out.size() == before && wanted(rules, address)) out.push_back({host, preference, address});
        }
        co_return std::expected<void, MailHostTrouble>{};
    }
    if (rules.hosts_file == MailHostRules::HostsFile::First)
        add_from_hosts_file(host, preference, rules, out);
    if (out.size() > before) co_return std::expected<void, MailHostTrouble>{};
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
    if (out.size() == before && rules.hosts_file == MailHostRules::HostsFile::Last)
        add_from_hosts_file(host, preference, rules, out);
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
        const bool shuffled = rules.order == MailHostRules::Order::Random;
        const std::uint64_t dice = shuffled ? random.next() : keyed.size();
        keyed.push_back({{host.preference, first ? 0 : 1, dice}, std::move(host)});
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
                domain),
            true};
}

MailHostTrouble no_name(const std::string& domain) {
    return {{5, 1, 2}, fmt::format("'{}' is not a domain name", base::printable(domain, 255))};
}

struct Exchanger {
    std::uint16_t preference = 0;
    std::string host;
};

/// The mail hosts' names; the domain itself where it has none.
env::Task<std::expected<std::vector<Exchanger>, MailHostTrouble>> find_exchangers(
    env::Resolver& resolver, std::string domain, dns::Name name, const MailHostRules& rules) {
    const env::DnsAnswer answer = co_await resolver.query(std::move(name), dns::Type::Mx);
    if (answer.temporary() && !rules.ignore_mx_error)
        co_return std::unexpected(not_found(domain, dns::Type::Mx, answer));
    if (answer.status == env::DnsAnswer::Status::NxDomain && rules.hosts_file == MailHostRules::HostsFile::No)
        co_return std::unexpected(not_found(domain, dns::Type::A, answer));
    std::vector<Exchanger> out;
    for (const auto& record : answer.records) {
        const auto* mx = std::get_if<dns::Mx>(&record);
        if (!mx) continue;
        if (mx->exchange.is_root() && answer.records.size() == 1)  // RFC 7505 §3
            co_return std::unexpected(
                MailHostTrouble{{5, 1, 10}, fmt::format("Domain {} does not accept mail (nullMX)", domain)});
        if (!mx->exchange.is_root()) out.push_back({mx->preference, mx->exchange.text()});
    }
    std::ranges::sort(out, {}, [](const Exchanger& one) { return std::tie(one.preference, one.host); });
    if (out.size() > rules.hosts_max) out.resize(rules.hosts_max);
    if (out.empty()) out.push_back({0, domain});
    co_return out;
}

/// Hosts that are no better than ourselves would send the mail back to us (RFC 5321 §5.1).
std::optional<MailHostTrouble> cut_at_ourselves(MailHostList& list, const std::string& domain,
                                                const MailHostRules& rules) {
    const auto own = std::ranges::find_if(
        list.hosts, [&](const auto& host) { return rules.own_addresses.contains(host.address); });
    if (own == list.hosts.end()) return std::nullopt;
    const auto ours = own->preference;
    list.includes_us = true;
    std::erase_if(list.hosts, [&](const auto& host) { return host.preference >= ours; });
    if (list.hosts.empty()) return loops(domain);
    return std::nullopt;
}

void for_each_host(std::string_view text, auto&& line_is) {
    for (const auto line : base::split(text, '\n')) {
        const auto words = base::split_any(line.substr(0, line.find('#')), " \t\r");
        if (words.size() < 2) continue;
        if (const auto address = env::IpAddress::parse(words[0]))
            line_is(*address, std::span(words).subspan(1));
    }
}

}  // namespace

std::vector<env::IpAddress> addresses_in_hosts_file(std::string_view text, std::string_view name) {
    std::vector<env::IpAddress> out;
    for_each_host(text, [&](const env::IpAddress& address, std::span<const std::string_view> names) {
        if (std::ranges::any_of(names, [&](std::string_view word) { return base::iequals(word, name); }))
            out.push_back(address);
    });
    return out;
}

std::string name_in_hosts_file(std::string_view text, const env::IpAddress& address) {
    std::string out;
    for_each_host(text, [&](const env::IpAddress& one, std::span<const std::string_view> names) {
        if (out.empty() && one == address) out = names.front();
    });
    return out;
}

env::Task<MailHosts> find_host(env::Resolver& resolver, env::Random& random, std::string host,
                               MailHostRules rules) {
    const auto ascii = mail::to_a_labels(host);
    if (!ascii) co_return std::unexpected(no_name(host));
    MailHostList out;
    auto found = co_await add_addresses(resolver, *ascii, 0, rules, out.hosts);
    if (!found) co_return std::unexpected(found.error());
    put_in_order(out.hosts, random, rules);
    co_return out;
}

env::Task<MailHosts> find_mail_hosts(env::Resolver& resolver, env::Random& random, std::string domain,
                                     MailHostRules rules) {
    const auto ascii = mail::to_a_labels(domain);
    if (!ascii) co_return std::unexpected(no_name(domain));
    domain = *ascii;
    const auto name = dns::Name::parse(domain);
    if (env::IpAddress::parse(domain) || !name || name->is_root()) {
        auto direct = co_await find_host(resolver, random, std::move(domain), std::move(rules));
        co_return direct;
    }
    auto exchangers = co_await find_exchangers(resolver, domain, *name, rules);
    if (!exchangers) co_return std::unexpected(exchangers.error());
    MailHostList out;
    std::optional<MailHostTrouble> first, temporary;
    for (const auto& [preference, host] : *exchangers) {
        auto found = co_await add_addresses(resolver, host, preference, rules, out.hosts);
        if (found) continue;
        if (!first) first = found.error();
        if (found.error().status.is_transient() && !temporary) temporary = found.error();
    }
    if (out.hosts.empty()) {
        if (temporary) co_return std::unexpected(*temporary);
        if (!first) first = no_name(domain);
        if (rules.defer_without_address) first->status = {4, 4, 3};
        co_return std::unexpected(*first);
    }
    if (auto trouble = cut_at_ourselves(out, domain, rules)) co_return std::unexpected(*trouble);
    put_in_order(out.hosts, random, rules);
    co_return out;
}

}  // namespace routing
