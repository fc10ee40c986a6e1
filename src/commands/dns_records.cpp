// postrider dns-records DOMAIN: what to publish for this configuration, as zone text, each checked against
// what the DNS says now.
#include "app/machine.hpp"
#include "base/text.hpp"
#include "commands/judge_world.hpp"
#include "commands/site_loader.hpp"
#include "dkim/published_key.hpp"
#include "dkim/signature.hpp"
#include "dmarc/record.hpp"
#include "dns/zone_text.hpp"
#include "policy/signing_keys.hpp"
#include "reports/options.hpp"
#include "spf/check.hpp"
#include "spf/record.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace commands {
namespace {

using Json = nlohmann::ordered_json;

struct Wanted {
    std::string purpose;  // "MX", "DKIM s1", …
    std::string line;     // zone text to paste
    std::string state;    // ok, missing, differs, unknown
    std::string note;
};

struct Call {
    std::string domain, host, report_address;
    std::vector<env::IpAddress> addresses;
    std::vector<std::pair<std::string, std::string>> keys;  // selector, record
    bool submission = false, submissions = false, json = false;
};

class Checker {
 public:
    Checker(JudgeWorld& world, const Call& call) : world_(world), call_(call) {}

    env::Task<std::vector<Wanted>> run() {
        const std::string& domain = call_.domain;
        const std::string& host = call_.host;
        co_await records("MX", domain, dns::Type::Mx, fmt::format("{}. IN MX 10 {}.", domain, host));
        for (const auto& address : call_.addresses) {
            const auto type = address.is_v4() ? dns::Type::A : dns::Type::Aaaa;
            co_await records(std::string(dns::to_text(type)), host, type,
                             fmt::format("{}. IN {} {}", host, dns::to_text(type), address.text()));
        }
        for (const auto& address : call_.addresses) {
            const auto name = address.pointer_name();
            co_await records("PTR", name, dns::Type::Ptr, fmt::format("{}. IN PTR {}.", name, host));
            out_.back().note = "ask the provider of the address to set it";
        }
        co_await sender_policy();
        for (const auto& [selector, record] : call_.keys) co_await key(selector, record);
        co_await text("DMARC", "_dmarc." + domain, "v=DMARC1",
                      fmt::format("v=DMARC1; p=none; rua=mailto:{}", call_.report_address),
                      "begin with p=none, read the reports, then quarantine and reject");
        co_await text("TLSRPT", "_smtp._tls." + domain, "v=TLSRPTv1",
                      fmt::format("v=TLSRPTv1; rua=mailto:{}", call_.report_address), "");
        if (call_.submission)
            co_await records("SRV submission", "_submission._tcp." + domain, dns::Type::Srv,
                             fmt::format("_submission._tcp.{}. IN SRV 0 1 587 {}.", domain, host));
        if (call_.submissions)
            co_await records("SRV submissions", "_submissions._tcp." + domain, dns::Type::Srv,
                             fmt::format("_submissions._tcp.{}. IN SRV 0 1 465 {}.", domain, host));
        co_return std::move(out_);
    }

 private:
    env::Task<env::DnsAnswer> ask(std::string name, dns::Type type) {
        const auto parsed = dns::Name::parse(name);
        env::DnsAnswer out;
        out.why = "not a name";
        if (parsed) out = co_await world_.resolver().query(*parsed, type);
        co_return out;
    }

    static std::string state_of(const env::DnsAnswer& answer, bool good) {
        return answer.temporary() ? "unknown" : good ? "ok" : answer.ok() ? "differs" : "missing";
    }

    /// ok: the very record is among the answers.
    env::Task<void> records(std::string purpose, std::string name, dns::Type type, std::string line) {
        const auto wanted = dns::parse_zone_line(line);
        const env::DnsAnswer answer = co_await ask(name, type);
        bool good = false;
        for (const auto& record : answer.records) {
            const auto* mx = std::get_if<dns::Mx>(&record);
            const auto* wanted_mx = wanted ? std::get_if<dns::Mx>(&wanted->record) : nullptr;
            good = good || (wanted && record == wanted->record) ||
                   (mx && wanted_mx && mx->exchange == wanted_mx->exchange);
        }
        out_.push_back({std::move(purpose), std::move(line), state_of(answer, good), ""});
    }

    env::Task<void> text(std::string purpose, std::string name, std::string prefix, std::string value,
                         std::string note) {
        const env::DnsAnswer answer = co_await ask(name, dns::Type::Txt);
        std::size_t found = 0;
        for (const auto& record : answer.records)
            if (const auto* txt = std::get_if<dns::Txt>(&record); txt && txt->joined().starts_with(prefix))
                ++found;
        Wanted out{std::move(purpose), fmt::format("{}. IN TXT {}", name, dns::text_strings(value)),
                   state_of(answer, found == 1),
                   found > 1 ? "there are several: receivers then use none" : std::move(note)};
        if (found == 0 && answer.ok()) out.state = "missing";
        out_.push_back(std::move(out));
    }

    env::Task<void> sender_policy() {
        const std::string line = fmt::format("{}. IN TXT \"v=spf1 mx -all\"", call_.domain);
        const env::DnsAnswer answer = co_await ask(call_.domain, dns::Type::Txt);
        std::size_t found = 0;
        for (const auto& record : answer.records)
            if (const auto* txt = std::get_if<dns::Txt>(&record); txt && ::spf::is_spf1(txt->joined()))
                ++found;
        Wanted out{"SPF", line, answer.temporary() ? "unknown" : found == 0 ? "missing" : "ok", ""};
        for (const auto& address : call_.addresses) {
            if (found == 0) break;
            ::spf::Query query{address, call_.host, "postmaster@" + call_.domain, call_.host};
            const auto verdict = co_await ::spf::check_mail_from(world_.resolver(), world_.clock, query);
            if (verdict.result == ::spf::Result::Pass) continue;
            out.state = "differs";
            out.note = fmt::format("what is published gives {} for {}{}", ::spf::to_text(verdict.result),
                                   address.text(), verdict.problem.empty() ? "" : ": " + verdict.problem);
        }
        out_.push_back(std::move(out));
    }

    env::Task<void> key(std::string selector, std::string record) {
        const auto name = fmt::format("{}._domainkey.{}", selector, call_.domain);
        const env::DnsAnswer answer = co_await ask(name, dns::Type::Txt);
        const auto wanted = ::dkim::TagList::parse(record);
        bool good = false;
        for (const auto& one : answer.records) {
            const auto* txt = std::get_if<dns::Txt>(&one);
            const auto tags = txt ? ::dkim::TagList::parse(txt->joined()) : std::unexpected(std::string());
            good = good || (tags && wanted && tags->compact("p") == wanted->compact("p"));
        }
        Wanted out{"DKIM " + selector, fmt::format("{}. IN TXT {}", name, dns::text_strings(record)),
                   state_of(answer, good), ""};
        if (out.state == "differs") out.note = "the published key is not the private key we sign with";
        out_.push_back(std::move(out));
    }

    JudgeWorld& world_;
    const Call& call_;
    std::vector<Wanted> out_;
};

env::Task<int> report(JudgeWorld& world, Call call) {
    Checker checker(world, call);
    const auto wanted = co_await checker.run();
    if (call.json) {
        Json list = Json::array();
        for (const auto& one : wanted)
            list.push_back(
                {{"purpose", one.purpose}, {"record", one.line}, {"state", one.state}, {"note", one.note}});
        print_json(list);
        co_return exit_ok;
    }
    std::size_t open = 0;
    for (const auto& one : wanted) {
        fmt::print("; {}: {}{}\n{}{}\n", one.purpose, one.state,
                   one.note.empty() ? "" : " (" + one.note + ")", one.state == "ok" ? "; " : "", one.line);
        open += one.state == "ok" ? 0 : 1;
    }
    fmt::print("\n; {}\n", open == 0 ? "everything is published"
                                     : fmt::format("{} of {} to publish or mend", open, wanted.size()));
    co_return exit_ok;
}

}  // namespace

int dns_records(const Invocation& invocation) {
    const auto options = NamedOptions::parse(invocation.arguments, {"resolver", "address"});
    if (!options) return usage_error("dns-records", options.error());
    if (options->rest().size() != 1 || !dns::Name::parse(options->rest()[0]))
        return usage_error("dns-records", "name one domain");
    const auto site = read_site(invocation.directory);
    if (!site) return exit_configuration;
    Call call;
    call.domain = dns::Name::parse(options->rest()[0])->text();
    call.host = base::lower(site->configuration->get("myhostname"));
    call.json = invocation.json;
    call.report_address = "postmaster@" + call.domain;
    config::Diagnostics unsaid;
    for (const auto& address : config::bind<reports::ReportOptions>(*site->configuration, unsaid).addresses)
        if (base::iends_with(address, "@" + call.domain)) call.report_address = address;
    for (const auto word : base::split_any(options->get("address"), ", ")) {
        const auto address = env::IpAddress::parse(word);
        if (!address) return usage_error("dns-records", "--address needs addresses");
        call.addresses.push_back(*address);
    }
    if (call.addresses.empty())
        for (const auto& address : app::own_addresses()) {
            const bool link_local =
                !address.is_v4() && address.bytes()[0] == 0xfe && (address.bytes()[1] & 0xc0) == 0x80;
            if (!address.is_loopback() && !link_local) call.addresses.push_back(address);
        }
    platform::PosixFileSystem files;
    config::Diagnostics ignored;
    const auto keys =
        policy::SigningKeys::make(config::bind<policy::SenderOptions>(*site->configuration, ignored), files);
    if (!keys) return usage_error("dns-records", keys.error());
    for (const auto& key : keys->keys_for("postmaster@" + call.domain))
        if (key.domain == call.domain) call.keys.emplace_back(key.selector, ::dkim::key_record_text(key.key));
    for (const auto& service : site->services) {
        const auto at = config::parse_listen_address(service.name);
        if (service.type != "inet" || service.command != "smtpd" || !at) continue;
        call.submission = call.submission || at->port == 587;
        call.submissions = call.submissions || at->port == 465;
    }
    auto world = JudgeWorld::make(options->get("resolver"));
    if (!world) return usage_error("dns-records", world.error());
    return (*world)->run(report(**world, std::move(call)));
}

}  // namespace commands
