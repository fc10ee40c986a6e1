// DMARC for one message (RFC 9989 §5.3): policy discovery by tree walk, alignment, the policy that applies. A
// coroutine over env::Resolver; at most eight questions for each domain, however deep it is.
#pragma once

#include "dmarc/record.hpp"
#include "env/resolver.hpp"
#include "env/task.hpp"

#include <string>
#include <vector>

namespace dmarc {

enum class Result { None, Pass, Fail, TempError, PermError };
std::string_view to_text(Result result);

/// What SPF and DKIM found.
struct Identifier {
    bool pass = false;
    std::string domain;   // of MAIL FROM (or HELO) for SPF, d= for DKIM
    bool failed = false;  // the DNS did not say: neither pass nor fail (§5.3.6)
};

struct Limits {
    std::size_t queries_max = 8;      // of one tree walk (§4.10)
    std::size_t signatures_max = 10;  // DKIM domains whose organizational domain is asked for
};

struct Verdict {
    Result result = Result::None;
    std::string domain;         // the author's
    std::string policy_domain;  // whose record applies; empty: none
    std::string organizational_domain;
    std::optional<Record> record;
    bool spf_aligned = false, dkim_aligned = false;
    Policy published = Policy::None;  // the policy that applies to this domain, before t= and pct=
    Policy policy = Policy::None;     // with t= taken into account
    std::string reason;               // for people
};

/// `author_domain`: the domain of From:, an A-label.
env::Task<Verdict> evaluate(env::Resolver& resolver, std::string author_domain, Identifier spf,
                            std::vector<Identifier> dkim, Limits limits = {});

/// What to do with a message that fails: the policy, lessened for the part of the messages that pct= leaves
/// out (RFC 7489 §6.6.4: reject becomes quarantine, quarantine none). `dice`: 0 to 99, random.
Policy disposition(const Verdict& verdict, unsigned dice);

/// The organizational domain (§4.10.2).
env::Task<std::string> organizational_domain(env::Resolver& resolver, std::string domain, Limits limits = {});

}  // namespace dmarc
