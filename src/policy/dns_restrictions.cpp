// The restrictions that ask DNS: unknown domains, DNS lists, the hosts behind a domain. Texts and codes are
// Postfix's. A failing name server defers, it never accepts or refuses for good.
#include "base/text.hpp"
#include "config/values.hpp"
#include "policy/restriction_table.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace policy {
namespace {

using Task = env::Task<Outcome>;
using Status = env::DnsAnswer::Status;

constexpr std::size_t hosts_max = 20;      // of one domain: MX and NS names looked at
constexpr std::size_t addresses_max = 50;  // in all

env::Task<env::DnsAnswer> ask(Context& context, std::string name, dns::Type type) {
    env::DnsAnswer out;
    const auto parsed = dns::Name::parse(name);
    if (!parsed || parsed->is_root()) {
        out.status = Status::NxDomain;
        out.why = "not a domain name";
        co_return out;
    }
    if (!context.resolver) {
        out.why = "no name service";
        co_return out;
    }
    out = co_await context.resolver->query(*parsed, type);
    co_return out;
}

enum class Exists { Yes, No, NullMx, Unknown };

/// Whether mail can reach `domain`: MX, A or AAAA.
env::Task<Exists> reachable(Context& context, std::string domain) {
    bool unknown = false;
    for (const auto type : {dns::Type::Mx, dns::Type::A, dns::Type::Aaaa}) {
        const env::DnsAnswer answer = co_await ask(context, domain, type);
        if (answer.ok()) {
            const auto* mx = std::get_if<dns::Mx>(&answer.records.front());
            if (mx && answer.records.size() == 1 && mx->exchange.is_root()) co_return Exists::NullMx;
            co_return Exists::Yes;
        }
        unknown = unknown || answer.temporary();
        if (answer.status == Status::NxDomain) break;
    }
    co_return unknown ? Exists::Unknown : Exists::No;
}

Task unknown_domain(Context& context, std::string domain, std::string shown, std::string_view what,
                    bool sender) {
    if (domain.empty() || is_literal(domain)) co_return Outcome{};
    const Exists exists = co_await reachable(context, domain);
    const auto code = context.options.unknown_address_reject_code;
    switch (exists) {
        case Exists::Yes:
            co_return Outcome{};
        case Exists::NullMx:  // RFC 7505
            co_return refuse(sender ? 550 : 556, sender ? 7 : 1, sender ? 27 : 10,
                             fmt::format("<{}>: {} rejected: Domain {} does not accept mail (nullMX)", shown,
                                         what, domain));
        case Exists::No:
            co_return refuse(code, 1, sender ? 8 : 2,
                             fmt::format("<{}>: {} rejected: Domain not found", shown, what));
        case Exists::Unknown:
            break;
    }
    co_return refuse(450, 1, sender ? 8 : 2, fmt::format("<{}>: {} rejected: Domain not found", shown, what));
}

Task run_unknown_sender_domain(Context& context, const Step&) {
    if (!context.facts.sender || context.facts.sender->is_null()) co_return Outcome{};
    const std::string domain = context.facts.sender->address().domain;
    auto listing = co_await context.directory.is_authorized_destination(context.facts.sender->address());
    if (listing && *listing) co_return Outcome{};  // ours
    Outcome out = co_await unknown_domain(context, domain, context.facts.sender_text, "Sender address", true);
    co_return out;
}
Task run_unknown_recipient_domain(Context& context, const Step&) {
    if (!context.facts.recipient) co_return Outcome{};
    auto listing = co_await context.directory.is_authorized_destination(*context.facts.recipient);
    if (listing && *listing) co_return Outcome{};
    Outcome out = co_await unknown_domain(context, context.facts.recipient->domain,
                                          context.facts.recipient_text, "Recipient address", false);
    co_return out;
}
Task run_unknown_helo(Context& context, const Step&) {
    const std::string helo = context.facts.helo;
    if (helo.empty() || is_literal(helo)) co_return Outcome{};
    const Exists exists = co_await reachable(context, helo);
    if (exists == Exists::Yes || exists == Exists::NullMx) co_return Outcome{};
    const auto code = exists == Exists::Unknown ? 450 : context.options.unknown_hostname_reject_code;
    co_return refuse(code, 7, 1, fmt::format("<{}>: Helo command rejected: Host not found", helo));
}

// --- DNS lists (RFC 5782) ---

/// "list.example.org=127.0.0.[2;4..8]": the zone, and which answers count.
struct List {
    std::string zone;
    std::string filter;  // empty: any 127.x.y.z
};
List parse_list(std::string_view argument) {
    const auto equals = argument.find('=');
    return {std::string(argument.substr(0, equals)),
            equals == std::string_view::npos ? "" : std::string(argument.substr(equals + 1))};
}

bool octet_matches(std::string_view pattern, unsigned octet) {
    if (pattern.starts_with('[') && pattern.ends_with(']')) pattern = pattern.substr(1, pattern.size() - 2);
    for (const auto part : base::split(pattern, ';')) {
        const auto dots = part.find("..");
        const auto low = base::parse_number(part.substr(0, dots), 255);
        const auto high =
            dots == std::string_view::npos ? low : base::parse_number(part.substr(dots + 2), 255);
        if (low && high && octet >= *low && octet <= *high) return true;
    }
    return false;
}

bool filter_matches(const std::string& filter, const dns::A& answer) {
    if (filter.empty()) return answer.address[0] == 127;
    std::vector<std::string> parts(1);
    int depth = 0;
    for (const char c : filter) {
        depth += c == '[' ? 1 : c == ']' ? -1 : 0;
        if (c == '.' && depth == 0)
            parts.emplace_back();
        else
            parts.back() += c;
    }
    if (parts.size() != answer.address.size()) return false;
    for (std::size_t i = 0; i < parts.size(); ++i)
        if (!octet_matches(parts[i], answer.address[i])) return false;
    return true;
}

struct Listed {
    bool listed = false;
    bool unknown = false;
    std::string reason;
};

env::Task<Listed> is_listed(Context& context, std::string key, List list, bool want_reason) {
    Listed out;
    const std::string name = key + "." + list.zone;
    const env::DnsAnswer answer = co_await ask(context, name, dns::Type::A);
    out.unknown = answer.temporary();
    for (const auto& record : answer.records) {
        const auto* address = std::get_if<dns::A>(&record);
        out.listed = out.listed || (address && filter_matches(list.filter, *address));
    }
    if (!out.listed || !want_reason) co_return out;
    const env::DnsAnswer text = co_await ask(context, name, dns::Type::Txt);
    constexpr std::size_t reason_octets_max = 255;
    for (const auto& record : text.records)
        if (const auto* words = std::get_if<dns::Txt>(&record); words && out.reason.empty())
            out.reason = base::printable(words->joined(), reason_octets_max);
    co_return out;
}

Task list_refusal(Context& context, std::string key, std::string shown, std::string_view what,
                  std::string argument) {
    const List list = parse_list(argument);
    if (key.empty()) co_return Outcome{};
    const Listed found = co_await is_listed(context, std::move(key), list, true);
    if (!found.listed) co_return Outcome{};  // a list that does not answer refuses nobody
    co_return refuse(context.options.maps_rbl_reject_code, 7, 1,
                     fmt::format("Service unavailable; {} [{}] blocked using {}{}", what, shown, list.zone,
                                 found.reason.empty() ? "" : "; " + found.reason));
}
Task list_permission(Context& context, std::string key, std::string argument) {
    if (key.empty()) co_return Outcome{};
    const Listed found = co_await is_listed(context, std::move(key), parse_list(argument), false);
    co_return found.listed ? permit() : Outcome{};
}

std::string domain_key(const std::string& name) {
    return name.empty() || name == "unknown" || is_literal(name) ? "" : base::lower(name);
}
std::string sender_domain(const Context& context) {
    return !context.facts.sender || context.facts.sender->is_null() ? ""
                                                                    : context.facts.sender->address().domain;
}
std::string recipient_domain(const Context& context) {
    return context.facts.recipient ? context.facts.recipient->domain : "";
}

Task run_rbl_client(Context& context, const Step& step) {
    const auto& address = context.facts.client.address;
    return list_refusal(context, address.reversed(), address.text(), "Client host", step.argument);
}
Task run_rhsbl_client(Context& context, const Step& step) {
    return list_refusal(context, domain_key(context.facts.client_name), context.facts.client_name,
                        "Client host", step.argument);
}
Task run_rhsbl_reverse_client(Context& context, const Step& step) {
    return list_refusal(context, domain_key(context.facts.reverse_name), context.facts.reverse_name,
                        "Unverified Client host", step.argument);
}
Task run_rhsbl_helo(Context& context, const Step& step) {
    return list_refusal(context, domain_key(context.facts.helo), context.facts.helo, "Helo command",
                        step.argument);
}
Task run_rhsbl_sender(Context& context, const Step& step) {
    return list_refusal(context, domain_key(sender_domain(context)), context.facts.sender_text,
                        "Sender address", step.argument);
}
Task run_rhsbl_recipient(Context& context, const Step& step) {
    return list_refusal(context, domain_key(recipient_domain(context)), context.facts.recipient_text,
                        "Recipient address", step.argument);
}
Task run_dnswl_client(Context& context, const Step& step) {
    return list_permission(context, context.facts.client.address.reversed(), step.argument);
}
Task run_rhswl_client(Context& context, const Step& step) {
    return list_permission(context, domain_key(context.facts.client_name), step.argument);
}

// --- The hosts behind a domain ---

struct Behind {
    std::vector<std::string> names;
    std::vector<env::IpAddress> addresses;
};

env::Task<void> add_addresses(Context& context, std::string host, Behind& out) {
    for (const auto type : {dns::Type::A, dns::Type::Aaaa}) {
        const env::DnsAnswer answer = co_await ask(context, host, type);
        for (const auto& record : answer.records) {
            if (out.addresses.size() >= addresses_max) co_return;
            if (const auto* v4 = std::get_if<dns::A>(&record))
                out.addresses.push_back(env::IpAddress::from_bytes(v4->address));
            if (const auto* v6 = std::get_if<dns::Aaaa>(&record))
                out.addresses.push_back(env::IpAddress::from_bytes(v6->address));
        }
    }
}

env::Task<Behind> hosts_behind(Context& context, std::string domain, dns::Type type) {
    Behind out;
    if (type == dns::Type::A) {
        out.names.push_back(domain);
    } else {
        // Name servers are those of the nearest parent that has some.
        for (std::string name = domain; !name.empty();
             name = name.substr(std::min(name.find('.'), name.size() - 1) + 1)) {
            const env::DnsAnswer answer = co_await ask(context, name, type);
            for (const auto& record : answer.records) {
                if (out.names.size() >= hosts_max) break;
                if (const auto* mx = std::get_if<dns::Mx>(&record)) out.names.push_back(mx->exchange.text());
                if (const auto* ns = std::get_if<dns::Ns>(&record)) out.names.push_back(ns->target.text());
            }
            if (!out.names.empty() || type == dns::Type::Mx || name.find('.') == std::string::npos) break;
        }
        if (out.names.empty() && type == dns::Type::Mx) out.names.push_back(domain);
    }
    const auto names = out.names;
    for (const auto& name : names) co_await add_addresses(context, name, out);
    co_return out;
}

Task behind_access(Context& context, const Step& step, std::string domain, std::string shown,
                   std::string_view what, dns::Type type) {
    if (domain.empty() || domain == "unknown" || is_literal(domain)) co_return Outcome{};
    const Behind behind = co_await hosts_behind(context, domain, type);
    for (const auto& name : behind.names) {
        auto found = co_await look_up_domain(*step.table, name);
        if (found && !*found) continue;
        Outcome out = co_await finish_access(context, std::move(found), shown, what);
        if (out.kind != Outcome::Kind::Dunno) co_return out;
    }
    for (const auto& address : behind.addresses) {
        auto found = co_await look_up_network(*step.table, address.text());
        if (found && !*found) continue;
        Outcome out = co_await finish_access(context, std::move(found), shown, what);
        if (out.kind != Outcome::Kind::Dunno) co_return out;
    }
    co_return Outcome{};
}

template <dns::Type type>
Task run_client_behind(Context& context, const Step& step) {
    return behind_access(context, step, context.facts.client_name, stage_shown(context), "Client host", type);
}
template <dns::Type type>
Task run_helo_behind(Context& context, const Step& step) {
    return behind_access(context, step, context.facts.helo, context.facts.helo, "Helo command", type);
}
template <dns::Type type>
Task run_sender_behind(Context& context, const Step& step) {
    return behind_access(context, step, sender_domain(context), context.facts.sender_text, "Sender address",
                         type);
}
template <dns::Type type>
Task run_recipient_behind(Context& context, const Step& step) {
    return behind_access(context, step, recipient_domain(context), context.facts.recipient_text,
                         "Recipient address", type);
}

constexpr Entry entries[] = {
    {"reject_unknown_sender_domain", Argument::None, run_unknown_sender_domain},
    {"reject_unknown_recipient_domain", Argument::None, run_unknown_recipient_domain},
    {"reject_unknown_helo_hostname", Argument::None, run_unknown_helo},
    {"reject_unknown_hostname", Argument::None, run_unknown_helo},
    {"reject_rbl_client", Argument::Domain, run_rbl_client},
    {"reject_rhsbl_client", Argument::Domain, run_rhsbl_client},
    {"reject_rhsbl_reverse_client", Argument::Domain, run_rhsbl_reverse_client},
    {"reject_rhsbl_helo", Argument::Domain, run_rhsbl_helo},
    {"reject_rhsbl_sender", Argument::Domain, run_rhsbl_sender},
    {"reject_rhsbl_recipient", Argument::Domain, run_rhsbl_recipient},
    {"permit_dnswl_client", Argument::Domain, run_dnswl_client},
    {"permit_rhswl_client", Argument::Domain, run_rhswl_client},
    {"check_client_mx_access", Argument::Table, run_client_behind<dns::Type::Mx>},
    {"check_client_ns_access", Argument::Table, run_client_behind<dns::Type::Ns>},
    {"check_client_a_access", Argument::Table, run_client_behind<dns::Type::A>},
    {"check_helo_mx_access", Argument::Table, run_helo_behind<dns::Type::Mx>},
    {"check_helo_ns_access", Argument::Table, run_helo_behind<dns::Type::Ns>},
    {"check_helo_a_access", Argument::Table, run_helo_behind<dns::Type::A>},
    {"check_sender_mx_access", Argument::Table, run_sender_behind<dns::Type::Mx>},
    {"check_sender_ns_access", Argument::Table, run_sender_behind<dns::Type::Ns>},
    {"check_sender_a_access", Argument::Table, run_sender_behind<dns::Type::A>},
    {"check_recipient_mx_access", Argument::Table, run_recipient_behind<dns::Type::Mx>},
    {"check_recipient_ns_access", Argument::Table, run_recipient_behind<dns::Type::Ns>},
    {"check_recipient_a_access", Argument::Table, run_recipient_behind<dns::Type::A>},
};

}  // namespace

std::span<const Entry> dns_restrictions() { return entries; }

}  // namespace policy
