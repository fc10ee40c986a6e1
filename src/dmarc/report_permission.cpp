#include "dmarc/report_permission.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace dmarc {
namespace {

bool is_at(const ReportUri& uri, std::string_view host) {
    return base::iequals(std::string_view(uri.address).substr(uri.address.rfind('@') + 1), host);
}

}  // namespace

env::Task<ReportPermission> report_permission(env::Resolver& resolver, std::string policy_domain,
                                              std::string destination) {
    using Answer = ReportPermission::Answer;
    ReportPermission out;
    const auto host = dns::Name::parse(destination);
    if (!host || host->is_root()) {
        out.why = fmt::format("'{}' is not a domain", base::printable(destination, 100));
        co_return out;
    }
    const std::string theirs = co_await organizational_domain(resolver, destination);
    const std::string ours = co_await organizational_domain(resolver, policy_domain);
    if (theirs == ours) {
        out.answer = Answer::Yes;
        co_return out;
    }
    const auto name = dns::Name::parse(policy_domain + "._report._dmarc." + destination);
    if (!name) {
        out.why = fmt::format("the name that would allow reports to {} is too long", destination);
        co_return out;
    }
    const env::DnsAnswer answer = co_await resolver.query(*name, dns::Type::Txt);
    if (answer.temporary()) {
        out.answer = Answer::Later;
        out.why = fmt::format("{} could not be looked up: {}", name->text(), answer.why);
        co_return out;
    }
    for (const auto& one : answer.records) {
        const auto* text = std::get_if<dns::Txt>(&one);
        const auto record = text ? parse_record(text->joined()) : std::nullopt;
        if (!record) continue;
        out.answer = Answer::Yes;
        for (const auto& uri : record->rua) {
            if (!is_at(uri, destination)) {
                // An address elsewhere forbids both (step 9).
                out.instead.clear();
                out.answer = Answer::No;
                out.why = fmt::format("{} names an address of another host", name->text());
                co_return out;
            }
            out.instead.push_back(uri);
        }
    }
    if (out.answer == Answer::No)
        out.why = fmt::format("{} does not allow it: no \"v=DMARC1\" at {}", destination, name->text());
    co_return out;
}

}  // namespace dmarc
