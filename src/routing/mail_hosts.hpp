// Where mail for a domain goes: MX and address lookups (RFC 5321 §5.1), null MX (RFC 7505), and the cut at
// ourselves that keeps mail from looping. Questions over env::Resolver; nothing is connected to here.
#pragma once

#include "env/network.hpp"
#include "env/random.hpp"
#include "env/resolver.hpp"
#include "env/task.hpp"
#include "mail/status.hpp"

#include <expected>
#include <set>
#include <string>
#include <vector>

namespace routing {

struct MailHost {
    std::string name;
    std::uint16_t preference = 0;
    env::IpAddress address;
};

constexpr const char* hosts_path = "/etc/hosts";
constexpr std::uint64_t hosts_octets_max = 1 << 20;
/// What the hosts file says of a name (hosts(5)); lines that are none are passed over.
std::vector<env::IpAddress> addresses_in_hosts_file(std::string_view text, std::string_view name);
/// The first name of the address's line; "": it has none.
std::string name_in_hosts_file(std::string_view text, const env::IpAddress& address);

struct MailHostRules {
    enum class Families { Any, V4, V6 } families = Families::Any;
    enum class Prefer { Any, V4, V6 } prefer = Prefer::Any;      // smtp_address_preference
    enum class Order { Random, AsGiven } order = Order::Random;  // smtp_randomize_addresses
    /// smtp_host_lookup: whether the hosts file is asked before or after the DNS.
    enum class HostsFile { No, First, Last } hosts_file = HostsFile::No;
    std::string hosts_text;                  // the hosts file
    std::set<env::IpAddress> own_addresses;  // ours: mail to them would come back; empty: not looked at
    bool ignore_mx_error = false;            // ignore_mx_lookup_error
    bool defer_without_address = false;      // smtp_defer_if_no_mx_address_found
    std::size_t hosts_max = 50;              // of one MX answer
    std::size_t addresses_max = 100;         // in all
};

struct MailHostTrouble {
    mail::Status status;  // 4.x.x: try later
    std::string text;
    bool ours = false;  // the best mail host is this machine
};
struct MailHostList {
    std::vector<MailHost> hosts;
    bool includes_us = false;  // this machine is a mail host of the domain, if not the best
};
using MailHosts = std::expected<MailHostList, MailHostTrouble>;

/// By ascending preference, in random order where it is equal (RFC 5321 §5.1); with A/AAAA of the domain
/// itself when there is no MX. An international domain is looked up by its A-labels (RFC 6531 §3.2).
env::Task<MailHosts> find_mail_hosts(env::Resolver& resolver, env::Random& random, std::string domain,
                                     MailHostRules rules);
/// The addresses of one host, no MX.
env::Task<MailHosts> find_host(env::Resolver& resolver, env::Random& random, std::string host,
                               MailHostRules rules);

}  // namespace routing
