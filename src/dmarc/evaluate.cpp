#include "dmarc/evaluate.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>

namespace dmarc {
namespace {

struct Found {
    dns::Name domain;
    Record record;
};

struct Lookup {
    std::optional<Record> record;
    bool failed = false;
};

env::Task<Lookup> look_up(env::Resolver& resolver, dns::Name domain) {
    Lookup out;
    const auto name = domain.prepend("_dmarc");
    if (!name) co_return out;
    const env::DnsAnswer answer = co_await resolver.query(*name, dns::Type::Txt);
    out.failed = answer.temporary();
    std::vector<Record> records;
    for (const auto& one : answer.records)
        if (const auto* text = std::get_if<dns::Txt>(&one))
            if (auto record = parse_record(text->joined())) records.push_back(std::move(*record));
    if (records.size() == 1) out.record = std::move(records.front());  // several are as none (§4.10 step 2)
    co_return out;
}

/// The records met on the way up from `start`, longest name first.
struct Walk {
    std::vector<Found> found;
    bool failed = false;        // some answer was an error
    bool start_failed = false;  // the first one
};

/// The walk's names: the start, then at most seven labels, then one less each time.
std::vector<dns::Name> walk_names(const dns::Name& start, std::size_t queries_max) {
    std::vector<dns::Name> out{start};
    dns::Name name = start;
    while (out.size() < queries_max) {
        name = name.parent();
        while (name.labels().size() > queries_max - 1) name = name.parent();
        if (name.is_root()) break;
        out.push_back(name);
    }
    return out;
}

env::Task<Walk> walk(env::Resolver& resolver, dns::Name start, std::size_t queries_max) {
    Walk out;
    for (const auto& name : walk_names(start, queries_max)) {
        Lookup lookup = co_await look_up(resolver, name);
        out.failed = out.failed || lookup.failed;
        out.start_failed = out.start_failed || (lookup.failed && name == start);
        if (!lookup.record) continue;
        const bool last = lookup.record->psd != Psd::Unknown;
        out.found.push_back({name, std::move(*lookup.record)});
        if (last) break;
    }
    co_return out;
}

/// §4.10.2: psd=n is it; below a psd=y that is not the start; else the shortest name; else the start itself.
dns::Name choose_organizational(const dns::Name& start, const Walk& walk) {
    for (const auto& [name, record] : walk.found) {
        if (record.psd == Psd::No) return name;
        if (record.psd == Psd::Yes && name != start) {
            dns::Name below = start;
            while (below.parent() != name && !below.parent().is_root()) below = below.parent();
            return below;
        }
    }
    return walk.found.empty() ? start : walk.found.back().domain;
}

/// §3.2.13: only NXDOMAIN says that a name does not exist.
env::Task<bool> exists(env::Resolver& resolver, dns::Name domain) {
    const env::DnsAnswer answer = co_await resolver.query(domain, dns::Type::A);
    co_return answer.status != env::DnsAnswer::Status::NxDomain;
}

/// An organizational domain is the name itself or above it: others are aligned with nothing here.
bool is_related(const Identifier& identifier, const dns::Name& author, const dns::Name& organizational) {
    const auto name = dns::Name::parse(identifier.domain);
    return name && !name->is_root() && (*name == author || name->is_within(organizational));
}

/// Of one authenticated identifier with the author's domain (§4.4). `failed`: an answer was an error.
env::Task<bool> is_aligned(env::Resolver& resolver, Identifier identifier, Alignment mode, dns::Name author,
                           dns::Name organizational, Limits limits, bool& failed) {
    if (!is_related(identifier, author, organizational)) co_return false;
    const auto name = dns::Name::parse(identifier.domain);
    if (*name == author) co_return true;
    if (mode == Alignment::Strict) co_return false;
    const Walk theirs = co_await walk(resolver, *name, limits.queries_max);
    failed = failed || theirs.failed;
    if (theirs.failed) co_return false;  // what was not answered may have said otherwise
    co_return choose_organizational(*name, theirs) == organizational;
}

Policy one_less(Policy policy) { return policy == Policy::Reject ? Policy::Quarantine : Policy::None; }

}  // namespace

std::string_view to_text(Result result) {
    switch (result) {
        case Result::None:
            return "none";
        case Result::Pass:
            return "pass";
        case Result::Fail:
            return "fail";
        case Result::TempError:
            return "temperror";
        case Result::PermError:
            return "permerror";
    }
    return "none";
}

env::Task<std::string> organizational_domain(env::Resolver& resolver, std::string domain, Limits limits) {
    const auto name = dns::Name::parse(domain);
    if (!name || name->is_root()) co_return base::lower(domain);
    const Walk found = co_await walk(resolver, *name, limits.queries_max);
    co_return choose_organizational(*name, found).text();
}

env::Task<Verdict> evaluate(env::Resolver& resolver, std::string author_domain, Identifier spf,
                            std::vector<Identifier> dkim, Limits limits) {
    Verdict out;
    const auto author = dns::Name::parse(author_domain);
    out.domain = author ? author->text() : base::lower(author_domain);
    if (!author || author->is_root()) {
        out.result = Result::PermError;
        out.reason = fmt::format("'{}' is not a domain", base::printable(author_domain, 100));
        co_return out;
    }
    const Walk found = co_await walk(resolver, *author, limits.queries_max);
    const dns::Name organizational = choose_organizational(*author, found);
    out.organizational_domain = organizational.text();
    // Of the author's domain, else of its organizational domain, else of its public suffix (§4.10.1).
    const Found* applies = nullptr;
    const auto record_of = [&](const dns::Name& name) {
        for (const auto& one : found.found)
            if (one.domain == name) return &one;
        return static_cast<const Found*>(nullptr);
    };
    applies = record_of(*author);
    if (!applies) applies = record_of(organizational);
    if (!applies && !found.found.empty() && found.found.back().record.psd == Psd::Yes)
        applies = &found.found.back();
    // A question without an answer decides neither way (§5.3.6): the author's own record may be there.
    if (found.start_failed || (found.failed && (!applies || applies->domain != *author))) {
        out.result = Result::TempError;
        out.reason = "the DMARC record could not be looked up";
        co_return out;
    }
    if (!applies) {
        out.reason = "no DMARC record";
        co_return out;
    }
    if (!applies->record.usable()) {
        out.reason = "the DMARC record of " + applies->domain.text() + " has no valid policy";
        co_return out;
    }
    out.policy_domain = applies->domain.text();
    out.record = applies->record;
    const Record& record = *out.record;
    if (record.invalid_policy || !record.p)
        out.published = Policy::None;  // as if p=none (§4.10.1)
    else if (applies->domain == *author)
        out.published = record.for_domain();
    else {
        const bool there = co_await exists(resolver, *author);
        out.published = there ? record.for_subdomain() : record.for_missing_subdomain();
    }
    out.policy = record.testing ? one_less(out.published) : out.published;
    bool failed = found.failed;
    std::string unknown;  // an aligned identifier that the DNS said nothing of
    const bool spf_counts =
        co_await is_aligned(resolver, spf, record.aspf, *author, organizational, limits, failed);
    out.spf_aligned = spf.pass && spf_counts;
    if (spf.failed && spf_counts) unknown = fmt::format("SPF of {} could not be determined", spf.domain);
    // What passed comes first, and what cannot be aligned is no signer here: the limit must not cut off the
    // others.
    std::vector<Identifier> signers;
    for (const bool passed : {true, false})
        for (const auto& one : dkim)
            if (one.pass == passed && (one.pass || one.failed) && is_related(one, *author, organizational))
                signers.push_back(one);
    if (signers.size() > limits.signatures_max) signers.resize(limits.signatures_max);
    for (const auto& identifier : signers) {
        const bool counts =
            co_await is_aligned(resolver, identifier, record.adkim, *author, organizational, limits, failed);
        if (counts && identifier.failed)
            unknown = fmt::format("the DKIM key of {} could not be looked up", identifier.domain);
        out.dkim_aligned = counts && identifier.pass;
        if (out.dkim_aligned) break;
    }
    if (out.spf_aligned || out.dkim_aligned) {
        out.result = Result::Pass;
    } else if (!unknown.empty()) {
        out.result = Result::TempError;
        out.reason = unknown;
    } else if (failed) {
        out.result = Result::TempError;
        out.reason = "an organizational domain could not be looked up";
    } else {
        out.result = Result::Fail;
        out.reason = fmt::format("neither SPF nor DKIM passed for a domain of {}", out.organizational_domain);
    }
    co_return out;
}

Policy disposition(const Verdict& verdict, unsigned dice) {
    if (verdict.result != Result::Fail || !verdict.record) return Policy::None;
    return dice < verdict.record->percent ? verdict.policy : one_less(verdict.policy);
}

}  // namespace dmarc
