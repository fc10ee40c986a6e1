// DNS questions. Answers tell apart what SPF, DMARC, MX and DANE must tell apart. The CNAME chain is
// followed.
#pragma once

#include "dns/record.hpp"
#include "env/task.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace env {

struct DnsAnswer {
    enum class Status {
        Ok,        // at least one record of the asked type
        NoData,    // the name exists, not with this type
        NxDomain,  // the name does not exist
        ServFail,  // the servers failed, or the answer is malformed
        Timeout,   // nobody answered in time
        Bogus,     // DNSSEC validation failed
    };
    Status status = Status::ServFail;
    bool secure = false;  // DNSSEC-validated
    std::vector<dns::Record> records;
    dns::Name canonical_name;  // the end of the CNAME chain; the asked name without one
    std::chrono::seconds ttl{0};
    std::string why;  // for people: "SERVFAIL from 192.0.2.1", empty when Ok

    bool ok() const { return status == Status::Ok; }
    bool temporary() const {
        return status == Status::ServFail || status == Status::Timeout || status == Status::Bogus;
    }
};

/// Belongs to one loop. Any number of questions may be under way.
class Resolver {
 public:
    virtual ~Resolver() = default;
    virtual Task<DnsAnswer> query(dns::Name name, dns::Type type) = 0;
};

}  // namespace env
