// A Resolver for unit tests: answers from zone text. "NAME SERVFAIL" fails; a name that stands nowhere, nor
// above one that does, is NXDOMAIN.
#pragma once

#include "base/check.hpp"
#include "dns/zone_text.hpp"
#include "env/resolver.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

namespace env {

class ZoneResolver : public Resolver {
 public:
    explicit ZoneResolver(const std::vector<std::string>& lines) {
        for (const auto& line : lines) add(line);
    }
    void add(const std::string& line) {
        constexpr std::string_view fails = " SERVFAIL";
        if (line.ends_with(fails)) {
            failing.push_back(line.substr(0, line.size() - fails.size()));
            return;
        }
        auto record = dns::parse_zone_line(line);
        CHECK(record.has_value());
        zone[record->owner][dns::type_of(record->record)].push_back(record->record);
    }
    Task<DnsAnswer> query(dns::Name name, dns::Type type) override {
        ++questions;
        DnsAnswer out;
        if (std::ranges::find(failing, name.text()) != failing.end()) co_return out;
        out.status = DnsAnswer::Status::NxDomain;
        for (const auto& [owner, types] : zone)
            if (owner.is_within(name)) out.status = DnsAnswer::Status::NoData;
        if (const auto owner = zone.find(name); owner != zone.end())
            if (const auto found = owner->second.find(type); found != owner->second.end()) {
                out.status = DnsAnswer::Status::Ok;
                out.records = found->second;
            }
        co_return out;
    }
    std::map<dns::Name, std::map<dns::Type, std::vector<dns::Record>>> zone;
    std::vector<std::string> failing;
    unsigned questions = 0;
};

}  // namespace env
