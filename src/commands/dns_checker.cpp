#include "commands/dns_checker.hpp"

#include "base/text.hpp"
#include "dkim/crypto.hpp"
#include "dkim/signature.hpp"
#include "dmarc/report_permission.hpp"
#include "dns/zone_text.hpp"
#include "spf/check.hpp"
#include "spf/record.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace commands {
namespace {

std::string value_text(const dns::Record& record) {
    struct Writer {
        std::string operator()(const dns::A& r) const { return env::IpAddress::from_bytes(r.address).text(); }
        std::string operator()(const dns::Aaaa& r) const {
            return env::IpAddress::from_bytes(r.address).text();
        }
        std::string operator()(const dns::Mx& r) const {
            return fmt::format("{} {}.", r.preference, r.exchange.text());
        }
        std::string operator()(const dns::Txt& r) const { return dns::text_strings(r.joined()); }
        std::string operator()(const dns::Ptr& r) const { return r.target.text() + "."; }
        std::string operator()(const dns::Cname& r) const { return r.target.text() + "."; }
        std::string operator()(const dns::Ns& r) const { return r.target.text() + "."; }
        std::string operator()(const dns::Soa& r) const { return r.primary.text() + "."; }
        std::string operator()(const dns::Srv& r) const {
            return fmt::format("{} {} {} {}.", r.priority, r.weight, r.port, r.target.text());
        }
        std::string operator()(const dns::Tlsa& r) const {
            return fmt::format("{} {} {} {}", r.usage, r.selector, r.matching, base::to_hex(r.data));
        }
    };
    return std::visit(Writer{}, record);
}

/// The same for a client that asks: the preference of an MX, priority and weight of an SRV are the owner's
/// choice.
bool serves_as(const dns::Record& wanted, const dns::Record& found) {
    if (const auto* mx = std::get_if<dns::Mx>(&wanted))
        if (const auto* other = std::get_if<dns::Mx>(&found)) return mx->exchange == other->exchange;
    if (const auto* srv = std::get_if<dns::Srv>(&wanted))
        if (const auto* other = std::get_if<dns::Srv>(&found))
            return srv->target == other->target && srv->port == other->port;
    return wanted == found;
}

std::string state_of(const env::DnsAnswer& answer, bool good) {
    return answer.temporary() ? "unknown" : good ? "ok" : answer.ok() ? "differs" : "missing";
}

WantedRecord wanted_text(std::string purpose, std::string name, std::string_view value) {
    WantedRecord out;
    out.purpose = std::move(purpose);
    out.type = "TXT";
    out.line = fmt::format("{}. IN TXT {}", name, dns::text_strings(value));
    out.name = std::move(name);
    return out;
}

std::string domain_of(std::string_view address) {
    return base::lower(address.substr(address.rfind('@') + 1));
}

}  // namespace

env::Task<std::vector<WantedRecord>> DnsChecker::run() {
    const std::string& domain = call_.domain;
    const std::string& host = call_.host;
    co_await record("MX", domain, dns::Type::Mx, fmt::format("10 {}.", host));
    for (const auto& address : call_.addresses) {
        const auto type = address.is_v4() ? dns::Type::A : dns::Type::Aaaa;
        co_await record(std::string(dns::to_text(type)), host, type, address.text());
    }
    for (const auto& address : call_.addresses)
        co_await record("PTR", address.pointer_name(), dns::Type::Ptr, host + ".",
                        fmt::format("ask the provider of {} to set its name to {}", address.text(), host));
    co_await sender_policy("SPF", domain, "v=spf1 mx -all", "postmaster@" + domain);
    if (host != domain) co_await sender_policy("SPF HELO", host, "v=spf1 a -all", "");
    co_await forwarding_senders();
    for (const auto& [selector, value] : call_.keys) co_await signing_key(selector, value);
    co_await author_policy();
    co_await tls_reports();
    co_await strict_transport();
    co_await alias(
        "autoconfig", "autoconfig." + domain,
        fmt::format("mail programs ask https://autoconfig.{}/mail/config-v1.1.xml for their settings",
                    domain));
    co_await alias("autodiscover", "autodiscover." + domain,
                   fmt::format("Outlook asks https://autodiscover.{}/autodiscover/autodiscover.xml", domain));
    for (const auto& service : call_.services)
        co_await record("SRV " + service.name, fmt::format("_{}._tcp.{}", service.name, domain),
                        dns::Type::Srv, fmt::format("0 1 {} {}.", service.port, host));
    co_return std::move(out_);
}

env::Task<env::DnsAnswer> DnsChecker::ask(std::string name, dns::Type type) {
    const auto parsed = dns::Name::parse(name);
    env::DnsAnswer out;
    out.why = "not a name";
    if (parsed) out = co_await resolver_.query(*parsed, type);
    co_return out;
}

env::Task<void> DnsChecker::record(std::string purpose, std::string name, dns::Type type, std::string value,
                                   std::string note) {
    WantedRecord out;
    out.purpose = std::move(purpose);
    out.name = name;
    out.type = dns::to_text(type);
    out.line = fmt::format("{}. IN {} {}", name, out.type, value);
    out.note = std::move(note);
    const auto wanted = dns::parse_zone_line(out.line);
    const env::DnsAnswer answer = co_await ask(name, type);
    bool good = false;
    for (const auto& found : answer.records) {
        out.found.push_back(value_text(found));
        good = good || (wanted && serves_as(wanted->record, found));
    }
    out.state = state_of(answer, good);
    out_.push_back(std::move(out));
}

/// A name that leads to our host, by CNAME or by addresses.
env::Task<void> DnsChecker::alias(std::string purpose, std::string name, std::string note) {
    WantedRecord out;
    out.purpose = std::move(purpose);
    out.name = name;
    out.type = "CNAME";
    out.line = fmt::format("{}. IN CNAME {}.", name, call_.host);
    out.note = std::move(note);
    bool good = false, there = false, unknown = false;
    for (const auto type : {dns::Type::Cname, dns::Type::A, dns::Type::Aaaa}) {
        const env::DnsAnswer answer = co_await ask(name, type);
        there = there || answer.ok();
        unknown = unknown || answer.temporary();
        for (const auto& found : answer.records) {
            out.found.push_back(value_text(found));
            const auto* cname = std::get_if<dns::Cname>(&found);
            good = good || (cname && cname->target.text() == call_.host) ||
                   std::ranges::any_of(call_.addresses,
                                       [&](const auto& one) { return one.text() == out.found.back(); });
        }
        if (good) break;
    }
    out.state = good ? "ok" : unknown ? "unknown" : there ? "differs" : "missing";
    out_.push_back(std::move(out));
}

env::Task<std::vector<std::string>> DnsChecker::texts(std::string name, std::string prefix,
                                                      WantedRecord& out) {
    const env::DnsAnswer answer = co_await ask(name, dns::Type::Txt);
    std::vector<std::string> found;
    for (const auto& one : answer.records)
        if (const auto* txt = std::get_if<dns::Txt>(&one); txt && base::istarts_with(txt->joined(), prefix)) {
            found.push_back(txt->joined());
            out.found.push_back(dns::text_strings(txt->joined()));
        }
    out.state = answer.temporary()  ? "unknown"
                : found.empty()     ? "missing"
                : found.size() == 1 ? "ok"
                                    : "differs";
    if (found.size() > 1) out.note = "there are several: receivers then use none";
    co_return found;
}

env::Task<void> DnsChecker::sender_policy(std::string purpose, std::string name, std::string value,
                                          std::string mail_from) {
    WantedRecord out = wanted_text(std::move(purpose), name, value);
    const auto found = co_await texts(name, "v=spf1", out);
    for (const auto& address : call_.addresses) {
        if (found.size() != 1) break;
        spf::Query query{address, call_.host, mail_from, call_.host};
        const auto verdict = co_await spf::check_mail_from(resolver_, clock_, query);
        if (verdict.result == spf::Result::Pass) continue;
        out.state = verdict.result == spf::Result::TempError ? "unknown" : "differs";
        out.note = fmt::format("what is published gives {} for {}{}", spf::to_text(verdict.result),
                               address.text(), verdict.problem.empty() ? "" : ": " + verdict.problem);
    }
    out_.push_back(std::move(out));
}

/// What comes back to a rewritten sender must find this machine, and what goes out must pass SPF in its name.
env::Task<void> DnsChecker::forwarding_senders() {
    const std::string domain = call_.srs_domain;
    if (domain.empty() || domain == call_.domain) co_return;
    const std::string host = fmt::format("10 {}.", call_.host);
    co_await record("SRS MX", domain, dns::Type::Mx, host,
                    "srs_domain: where answers to forwarded mail come back");
    if (domain != call_.host)
        co_await sender_policy("SRS SPF", domain, "v=spf1 mx -all", "postmaster@" + domain);
}

env::Task<void> DnsChecker::signing_key(std::string selector, std::string value) {
    const auto name = fmt::format("{}._domainkey.{}", selector, call_.domain);
    WantedRecord out = wanted_text("DKIM " + selector, name, value);
    const env::DnsAnswer answer = co_await ask(name, dns::Type::Txt);
    const auto wanted = dkim::TagList::parse(value);
    std::size_t right = 0;
    for (const auto& one : answer.records) {
        const auto* txt = std::get_if<dns::Txt>(&one);
        if (!txt) continue;
        out.found.push_back(dns::text_strings(txt->joined()));
        const auto tags = dkim::TagList::parse(txt->joined());
        const bool same_type = tags && wanted && tags->compact("k").value_or("rsa") == wanted->compact("k");
        if (same_type && tags->compact("p") == wanted->compact("p")) ++right;
    }
    out.state = state_of(answer, right > 0 && right == out.found.size());
    if (out.state == "differs")
        out.note = right > 0 ? "there are several records: receivers may take another"
                             : "the published key is not the private key we sign with";
    out_.push_back(std::move(out));
}

env::Task<void> DnsChecker::author_policy() {
    const std::string name = "_dmarc." + call_.domain;
    WantedRecord out =
        wanted_text("DMARC", name, fmt::format("v=DMARC1; p=none; rua=mailto:{}", call_.report_address));
    const auto found = co_await texts(name, "v", out);
    std::vector<dmarc::Record> records;
    for (const auto& text : found)
        if (auto record = dmarc::parse_record(text)) records.push_back(std::move(*record));
    std::vector<std::string> addresses{call_.report_address};
    if (out.state != "unknown") out.state = records.empty() ? (found.empty() ? "missing" : "differs") : "ok";
    if (records.empty()) out.note = "begin with p=none, read the reports, then quarantine and reject";
    if (records.size() > 1) {
        out.state = "differs";
        out.note = "there are several: receivers then use none";
    } else if (records.size() == 1) {
        const auto& record = records.front();
        addresses.clear();
        for (const auto& uri : record.rua) addresses.push_back(uri.address);
        if (!record.usable()) {
            out.state = "differs";
            out.note = "it holds no valid policy: receivers do as if it were not there";
        } else if (record.for_domain() == dmarc::Policy::None) {
            out.note = "p=none asks for reports only; quarantine or reject protects the name";
        } else if (record.rua.empty()) {
            out.note = "without rua= nobody tells you who sends in this name";
        }
    }
    out_.push_back(std::move(out));
    co_await report_permissions(std::move(addresses));
}

/// Reports that go to another organization need its word (RFC 9990 §4).
env::Task<void> DnsChecker::report_permissions(std::vector<std::string> addresses) {
    std::vector<std::string> seen;
    for (const auto& address : addresses) {
        const std::string destination = domain_of(address);
        if (destination == call_.domain || std::ranges::find(seen, destination) != seen.end()) continue;
        seen.push_back(destination);
        const auto given = co_await dmarc::report_permission(resolver_, call_.domain, destination);
        const std::string name = fmt::format("{}._report._dmarc.{}", call_.domain, destination);
        WantedRecord out = wanted_text("DMARC reports to " + destination, name, "v=DMARC1;");
        static_cast<void>(co_await texts(name, "v", out));
        using Answer = dmarc::ReportPermission::Answer;
        out.state = given.answer == Answer::Yes     ? "ok"
                    : given.answer == Answer::Later ? "unknown"
                                                    : "missing";
        out.note = given.answer == Answer::Yes ? "" : "to be published by " + destination + ": " + given.why;
        if (given.answer == Answer::Yes && out.found.empty())
            continue;  // the same organization: none is needed
        out_.push_back(std::move(out));
    }
}

env::Task<void> DnsChecker::tls_reports() {
    const std::string name = "_smtp._tls." + call_.domain;
    WantedRecord out =
        wanted_text("TLSRPT", name, fmt::format("v=TLSRPTv1; rua=mailto:{}", call_.report_address));
    const auto found = co_await texts(name, "v=TLSRPTv1", out);
    if (found.size() == 1) {
        const auto tags = dkim::TagList::parse(found.front());
        const auto rua = tags ? tags->compact("rua") : std::nullopt;
        if (!rua || (!rua->starts_with("mailto:") && !rua->starts_with("https:"))) {
            out.state = "differs";
            out.note = "rua= must name a mailto: or https: address (RFC 8460 section 3)";
        }
    }
    out_.push_back(std::move(out));
}

env::Task<void> DnsChecker::strict_transport() {
    constexpr std::size_t id_digits = 16;
    const std::string policy =
        fmt::format("version: STSv1\r\nmode: testing\r\nmx: {}\r\nmax_age: 604800\r\n", call_.host);
    const std::string name = "_mta-sts." + call_.domain;
    const auto id = base::to_hex(dkim::sha256(policy)).substr(0, id_digits);
    WantedRecord out = wanted_text("MTA-STS", name, fmt::format("v=STSv1; id={};", id));
    out.policy = policy;
    const auto found = co_await texts(name, "v=STSv1", out);
    if (found.size() == 1) {
        const auto tags = dkim::TagList::parse(found.front());
        const auto there = tags ? tags->compact("id").value_or("") : "";
        constexpr std::size_t id_octets_max = 32;
        if (there.empty() || there.size() > id_octets_max || !std::ranges::all_of(there, base::is_alnum)) {
            out.state = "differs";
            out.note = "id= must be 1 to 32 letters and digits (RFC 8461 section 3.1)";
        }
    }
    if (out.note.empty())
        out.note = fmt::format(
            "with the policy below at https://mta-sts.{}/.well-known/mta-sts.txt; a new id= for each change "
            "of it; "
            "mode: enforce when the TLS reports show no failures",
            call_.domain);
    out_.push_back(std::move(out));
    co_await alias("MTA-STS host", "mta-sts." + call_.domain, "where the policy is served, by HTTPS");
}

}  // namespace commands
