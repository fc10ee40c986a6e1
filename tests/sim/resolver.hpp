// The simulated DNS: zone text, and names that fail. CNAMEs are followed. Shared by every machine of a world.
#pragma once

#include "env/resolver.hpp"
#include "sim/loop.hpp"

#include <map>
#include <string>
#include <vector>

namespace sim {

class SimDns {
 public:
    /// Zone text, or "NAME SERVFAIL", "NAME TIMEOUT", "NAME BOGUS". CHECK-fails on anything else.
    void add(std::string_view line);
    env::DnsAnswer answer(const dns::Name& name, dns::Type type) const;

 private:
    std::map<dns::Name, std::map<dns::Type, std::vector<dns::Record>>> names_;
    std::map<dns::Name, env::DnsAnswer::Status> failing_;
};

class SimResolver : public env::Resolver {
 public:
    SimResolver(const SimDns& dns, SimLoop& loop) : dns_(dns), loop_(loop) {}
    env::Task<env::DnsAnswer> query(dns::Name name, dns::Type type) override;

 private:
    const SimDns& dns_;
    SimLoop& loop_;
};

}  // namespace sim
