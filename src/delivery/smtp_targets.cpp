// Which hosts a next hop stands for.
#include "base/text.hpp"
#include "delivery/smtp_client.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace delivery {
namespace {

constexpr std::uint16_t smtp_port = 25, lmtp_port = 24;

}  // namespace

std::uint16_t SmtpClientTransport::default_port() const {
    const std::uint16_t usual = protocol_ == Protocol::Lmtp ? lmtp_port : smtp_port;
    const auto hop = parse_next_hop("host:" + options_.tcp_port, usual);
    return hop ? hop->port : usual;
}

bool SmtpClientTransport::looks_up_mx() const {
    const bool dns = options_.dns_support == DnsSupport::Unset ? !options_.disable_dns
                                                               : options_.dns_support != DnsSupport::Disabled;
    return protocol_ == Protocol::Smtp && dns;
}

routing::MailHostRules SmtpClientTransport::host_rules() const {
    using Rules = routing::MailHostRules;
    Rules out;
    const auto protocols = base::lower(options_.inet_protocols);
    out.families = protocols == "ipv4"   ? Rules::Families::V4
                   : protocols == "ipv6" ? Rules::Families::V6
                                         : Rules::Families::Any;
    out.prefer = options_.address_preference == AddressPreference::V4   ? Rules::Prefer::V4
                 : options_.address_preference == AddressPreference::V6 ? Rules::Prefer::V6
                                                                        : Rules::Prefer::Any;
    out.order = options_.randomize_addresses ? Rules::Order::Random : Rules::Order::AsGiven;
    out.ignore_mx_error = options_.ignore_mx_error;
    out.defer_without_address = options_.defer_without_address;
    const auto& ways = options_.host_lookup;
    const auto native =
        std::ranges::find_if(ways, [](const auto& way) { return base::iequals(way, "native"); });
    const auto dns = std::ranges::find_if(ways, [](const auto& way) { return base::iequals(way, "dns"); });
    const bool no_dns = options_.disable_dns || options_.dns_support == DnsSupport::Disabled;
    out.hosts_file = native < dns || no_dns ? Rules::HostsFile::First
                     : native != ways.end() ? Rules::HostsFile::Last
                                            : Rules::HostsFile::No;
    if (out.hosts_file != Rules::HostsFile::No)
        out.hosts_text = services_.files.read(routing::hosts_path, routing::hosts_octets_max).value_or("");
    return out;
}

/// When only addresses of one family would be tried, the last of those gives its place to the first of the
/// other.
void SmtpClientTransport::balance(std::vector<Target>& list) const {
    const std::size_t limit = options_.mx_address_limit;
    if (!options_.balance_protocols || options_.address_preference != AddressPreference::Any || limit < 2 ||
        list.size() <= limit)
        return;
    const auto is_v4 = [](const Target& target) { return target.endpoint.address.is_v4(); };
    const bool family = is_v4(list.front());
    const auto other = std::ranges::find_if(list, [&](const Target& t) { return is_v4(t) != family; });
    const auto last = list.begin() + static_cast<std::ptrdiff_t>(limit) - 1;
    if (other != list.end() && other > last) std::rotate(last, other, other + 1);
}

env::Task<SmtpClientTransport::Result<SmtpClientTransport::Targets>> SmtpClientTransport::targets(
    std::string next_hop) {
    const auto hop = parse_hop(next_hop);
    if (!hop)
        co_return std::unexpected(
            Trouble{{5, 3, 5}, fmt::format("bad next hop '{}'", base::printable(next_hop, 255))});
    Targets out;
    if (!hop->unix_path.empty()) {
        const std::string path = socket_path(services_.queue_directory, hop->unix_path);
        out.list.push_back({env::Endpoint{{}, 0, path}, path});
        co_return out;
    }
    const auto literal = env::IpAddress::parse(hop->host);
    if (literal) {
        out.list.push_back({env::Endpoint{*literal, hop->port, {}}, hop->host});
        co_return out;
    }
    if (!services_.resolver)
        co_return std::unexpected(Trouble{{4, 4, 3}, "no name service: only addresses can be reached"});
    auto rules = host_rules();
    const bool by_mx = looks_up_mx() && !hop->literal_host;
    if (by_mx && hop->port == smtp_port) rules.own_addresses = services_.own_addresses;
    routing::MailHosts hosts;
    if (by_mx)
        hosts = co_await routing::find_mail_hosts(*services_.resolver, services_.random, hop->host, rules);
    else
        hosts = co_await routing::find_host(*services_.resolver, services_.random, hop->host, rules);
    if (!hosts) {
        Trouble trouble{hosts.error().status, hosts.error().text};
        trouble.ours = hosts.error().ours;
        co_return std::unexpected(std::move(trouble));
    }
    for (const auto& host : hosts->hosts)
        out.list.push_back({env::Endpoint{host.address, hop->port, {}}, host.name});
    out.includes_us = hosts->includes_us;
    balance(out.list);
    co_return out;
}

}  // namespace delivery
