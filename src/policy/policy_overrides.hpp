// Local policy where DMARC fails (dmarc_policy_overrides): what a table says of a client or an author's
// domain stands above what the author publishes (RFC 9989 §5.3.6). Belongs to one loop.
#pragma once

#include "dmarc/record.hpp"
#include "env/network.hpp"
#include "tables/factory.hpp"

#include <expected>
#include <optional>
#include <string>

namespace policy {

struct PolicyOverride {
    dmarc::Policy policy = dmarc::Policy::None;
    std::string type;     // RFC 9990 §3.1.6: "local_policy", "trusted_forwarder", "mailing_list"
    std::string comment;  // may be empty
};

/// "none", "quarantine", "reject", with a reason behind it: "none trusted_forwarder our old provider". A
/// reason that begins with none of the types is a local_policy. nullopt: "published". Error: what is wrong.
std::expected<std::optional<PolicyOverride>, std::string> parse_policy_override(std::string_view value);

class PolicyOverrides {
 public:
    /// `text`: the value of dmarc_policy_overrides.
    static std::expected<PolicyOverrides, std::string> make(const std::string& text,
                                                            tables::Factory& factory);
    bool empty() const { return tables_.empty(); }
    struct Question {
        std::optional<env::IpAddress> client;
        std::string client_name;  // verified; "unknown": none
        std::string author;       // the domain of From:
    };
    /// The first entry of the client's address and networks, its name and parent domains, the author's domain
    /// and its parents. Error: a table failed, or holds what is no policy.
    env::Task<std::expected<std::optional<PolicyOverride>, std::string>> find(Question question) const;

 private:
    tables::TableList tables_;
};

}  // namespace policy
