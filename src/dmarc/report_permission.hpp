// Whether a report about one domain may go to an address of another (RFC 9990 §4). A coroutine over
// env::Resolver; asked when a report is about to be sent.
#pragma once

#include "dmarc/evaluate.hpp"

namespace dmarc {

struct ReportPermission {
    enum class Answer { Yes, No, Later } answer = Answer::No;
    std::vector<ReportUri> instead;  // where the destination wants it: replaces the address asked about
    std::string why;                 // for people; empty when Yes
};

/// Yes within one organizational domain, or when policy_domain._report._dmarc.destination has a record whose
/// addresses, where it names some, are the destination's own. Later: the DNS failed for now.
env::Task<ReportPermission> report_permission(env::Resolver& resolver, std::string policy_domain,
                                              std::string destination);

}  // namespace dmarc
