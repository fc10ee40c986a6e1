#include "sim/resolver.hpp"

#include "base/text.hpp"
#include "dns/zone_text.hpp"

namespace sim {

using Status = env::DnsAnswer::Status;

void SimDns::add(std::string_view line) {
    const auto words = base::split_any(line, " \t");
    const auto name = words.empty() ? std::nullopt : dns::Name::parse(words[0]);
    if (name && words.size() == 2) {
        const Status status = words[1] == "TIMEOUT" ? Status::Timeout
                              : words[1] == "BOGUS" ? Status::Bogus
                                                    : Status::ServFail;
        CHECK(status != Status::ServFail || words[1] == "SERVFAIL");
        failing_[*name] = status;
        return;
    }
    auto record = dns::parse_zone_line(line);
    CHECK(record.has_value());
    names_[record->owner][dns::type_of(record->record)].push_back(std::move(record->record));
}

env::DnsAnswer SimDns::answer(const dns::Name& asked, dns::Type type) const {
    constexpr int chain_max = 8;
    env::DnsAnswer out;
    dns::Name name = asked;
    for (int i = 0; i < chain_max; ++i) {
        out.canonical_name = name;
        if (const auto failing = failing_.find(name); failing != failing_.end()) {
            out.status = failing->second;
            out.why = "the simulated server fails";
            return out;
        }
        const auto found = names_.find(name);
        if (found == names_.end()) {
            out.status = Status::NxDomain;
            for (const auto& [other, records] : names_)
                if (other.is_within(name)) out.status = Status::NoData;
            out.why = out.status == Status::NxDomain ? "Host not found" : "no such record";
            return out;
        }
        if (const auto records = found->second.find(type); records != found->second.end()) {
            out.status = Status::Ok;
            out.records = records->second;
            return out;
        }
        const auto alias = found->second.find(dns::Type::Cname);
        if (alias == found->second.end()) break;
        name = std::get<dns::Cname>(alias->second.front()).target;
    }
    out.status = Status::NoData;
    out.why = "no such record";
    return out;
}

env::Task<env::DnsAnswer> SimResolver::query(dns::Name name, dns::Type type) {
    env::DnsAnswer out = dns_.answer(name, type);
    const auto wait =
        out.status == Status::Timeout ? std::chrono::milliseconds(10'000) : std::chrono::milliseconds(2);
    co_await loop_.sleep(wait);
    co_return out;
}

}  // namespace sim
