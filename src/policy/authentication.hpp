// Who sent a message: SPF, DKIM, ARC and DMARC of one message together (RFC 7208, 6376, 8617, 9989), and what
// is written into Authentication-Results (RFC 8601). The body streams by; nothing of it is kept. Used by the
// server and by `postrider verify`.
#pragma once

#include "arc/chain.hpp"
#include "dkim/verifier.hpp"
#include "dmarc/evaluate.hpp"
#include "env/clock.hpp"
#include "env/network.hpp"
#include "mail/authentication_results.hpp"
#include "mail/author.hpp"
#include "policy/policy_overrides.hpp"
#include "spf/check.hpp"

#include <memory>
#include <string>
#include <vector>

namespace policy {

struct AuthenticationRules {
    std::string authserv_id;
    dkim::VerifyOptions dkim;
    std::vector<std::string> trusted_sealers;          // domains whose ARC results may overrule DMARC
    std::size_t authors_max = 3;                       // From: domains looked at when there are several
    std::shared_ptr<const PolicyOverrides> overrides;  // nullptr: none
};

/// What SPF asks about. Without an address SPF is not asked.
struct SendingClient {
    std::optional<env::IpAddress> ip;
    std::string helo, mail_from;  // mail_from empty: the null sender
    std::string name;             // verified; for local policies
};

struct Authentication {
    spf::Verdict spf;        // of MAIL FROM, or of HELO for the null sender
    std::string spf_domain;  // whose it is
    bool spf_checked = false;
    spf::Verdict helo;
    std::vector<dkim::SignatureResult> dkim;
    arc::ChainResult arc;
    mail::Author author;
    dmarc::Verdict dmarc;         // of the author; of several, the one that fares worst
    std::string override_reason;  // why a failing message is spared: "arc=pass of lists.example.org"
    std::optional<PolicyOverride> local_policy;  // of a failing message; stands above the published policy
    std::string local_policy_problem;            // the tables could not say
    std::vector<mail::AuthenticationMethod> methods;  // for Authentication-Results; DMARC's is the last
    std::string received_spf;                         // the field (RFC 7208 §9.1)
};

class MessageAuthenticator {
 public:
    /// `header_block`: the fields with CRLF line ends, without the empty line.
    MessageAuthenticator(std::string header_block, const AuthenticationRules& rules);
    void body(std::string_view octets);
    /// Whom to ask: what strangers made slow must not hide the author's policy.
    struct Resolvers {
        env::Resolver& identifiers;  // SPF, DKIM, ARC
        env::Resolver& policy;       // DMARC
    };
    /// Once. `now`: Unix time.
    env::Task<Authentication> finish(Resolvers resolvers, const env::Clock& clock, SendingClient client,
                                     std::uint64_t now);

 private:
    env::Task<void> check_spf(env::Resolver& resolver, const env::Clock& clock, const SendingClient& client,
                              Authentication& out);
    env::Task<void> check_dmarc(env::Resolver& resolver, const SendingClient& client, Authentication& out);
    env::Task<void> apply_local_policy(const SendingClient& client, Authentication& out);
    bool vouched_for(const arc::ChainResult& chain) const;
    AuthenticationRules rules_;
    std::string header_block_;
    dkim::Verifier dkim_;
    arc::ChainVerifier arc_;
};

/// The header block without the fields that claim to be our own Authentication-Results (RFC 8601 §5); fields
/// whose id cannot be read are removed too.
std::string without_foreign_results(std::string_view header_block, std::string_view authserv_id);

}  // namespace policy
