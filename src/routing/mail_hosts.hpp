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

struct MailHostRules {
    enum class Families { Any, V4, V6 } families = Families::Any;
    enum class Prefer { Any, V4, V6 } prefer = Prefer::Any;  // smtp_address_preference
    std::set<env::IpAddress> own_addresses;  // ours: mail to them would come back; empty: not looked at
    std::size_t hosts_max = 50;              // of one MX answer
    std::size_t addresses_max = 100;         // in all
};

struct MailHostTrouble {
    mail::Status status;  // 4.x.x: try later
    std::string text;
};
using MailHosts = std::expected<std::vector<MailHost>, MailHostTrouble>;

/// By ascending preference, in random order where it is equal (RFC 5321 §5.1); with A/AAAA of the domain
/// itself when there is no MX.
env::Task<MailHosts> find_mail_hosts(env::Resolver& resolver, env::Random& random, std::string domain,
                                     MailHostRules rules);
/// The addresses of one host, no MX.
env::Task<MailHosts> find_host(env::Resolver& resolver, env::Random& random, std::string host,
                               MailHostRules rules);

}  // namespace routing
