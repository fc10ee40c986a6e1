// What one message's evaluation says in the aggregate report of its day (RFC 9990 §3.1.1): a value that
// policy/ makes and reports/ counts.
#pragma once

#include "dmarc/record.hpp"

#include <string>
#include <utility>
#include <vector>

namespace dmarc {

struct Sighting {
    std::string policy_domain;  // where the record was found
    Record record;
    std::string source_ip, header_from;
    std::string envelope_from;  // the domain of MAIL FROM; empty: the null sender
    std::string disposition;    // "none", "pass", "quarantine", "reject"
    bool dkim_aligned = false, spf_aligned = false;
    struct Reason {
        std::string type, comment;
    };
    std::vector<Reason> reasons;  // why the disposition is not what was published
    struct Signature {
        std::string domain, selector, result, note;
    };
    std::vector<Signature> signatures;  // those that matter most first (RFC 9990 §3.1.3)
    std::string spf_domain, spf_result, spf_note;
};

}  // namespace dmarc
