// How encrypted the way to a next hop must be: smtp_tls_security_level and smtp_tls_policy_maps as one value.
// DANE (RFC 7672) and MTA-STS (RFC 8461) will add their findings here: choose() is the one place that
// decides.
#pragma once

#include "delivery/smtp_options.hpp"
#include "env/tls.hpp"
#include "tables/table.hpp"

#include <expected>

namespace delivery {

struct TlsPolicy {
    ClientTlsLevel level = ClientTlsLevel::None;
    env::TlsProtocols protocols;
    std::vector<std::string> match;  // hostname, nexthop, dot-nexthop, names; or fingerprints
    std::string server_name;         // hostname, nexthop or a name
    bool mandatory() const { return level >= ClientTlsLevel::Encrypt; }
    bool verifies() const { return level == ClientTlsLevel::Verify || level == ClientTlsLevel::Secure; }
};

/// `next_hop`: as routed, "example.org" or "[host]:port"; parent domains are looked up as ".example.org". The
/// error is a table's or a wrong entry's: defer.
env::Task<std::expected<TlsPolicy, std::string>> choose_tls_policy(const SmtpClientOptions& options,
                                                                   const tables::TableList& policy_maps,
                                                                   std::string next_hop);

/// What the handshake with `host` needs. `next_hop_domain`: without brackets and port.
env::TlsClientSettings handshake_settings(const TlsPolicy& policy, const std::string& host,
                                          const std::string& next_hop_domain);
/// Whether the finished handshake is what the policy asks for; the text says why not.
std::optional<std::string> policy_violation(const TlsPolicy& policy, const env::TlsInfo& info);

}  // namespace delivery
