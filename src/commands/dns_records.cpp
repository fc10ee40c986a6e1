// postrider dns-records DOMAIN: what to publish for this configuration, as zone text, each checked against
// what the DNS says now.
#include "app/machine.hpp"
#include "base/text.hpp"
#include "commands/dns_checker.hpp"
#include "commands/judge_world.hpp"
#include "commands/site_loader.hpp"
#include "dkim/published_key.hpp"
#include "mail/author.hpp"
#include "policy/key_rotation.hpp"
#include "policy/signing_keys.hpp"
#include "reports/options.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace commands {
namespace {

using Json = nlohmann::ordered_json;

void print_zone(const std::vector<WantedRecord>& wanted) {
    std::size_t open = 0;
    for (const auto& one : wanted) {
        fmt::print("; {}: {}{}\n{}{}\n", one.purpose, one.state,
                   one.note.empty() ? "" : " (" + one.note + ")", one.state == "ok" ? "; " : "", one.line);
        for (const auto& found : one.found)
            if (one.state == "differs") fmt::print(";   now: {}\n", base::printable(found));
        if (one.state != "ok")
            for (const auto line : base::split_any(one.policy, "\r\n")) fmt::print(";   {}\n", line);
        open += one.state == "ok" ? 0 : 1;
    }
    fmt::print("\n; {}\n", open == 0 ? "everything is published"
                                     : fmt::format("{} of {} to publish or mend", open, wanted.size()));
}

env::Task<int> report(JudgeWorld& world, DnsCall call, bool json) {
    DnsChecker checker(world.resolver(), world.clock, std::move(call));
    const auto wanted = co_await checker.run();
    if (!json) {
        print_zone(wanted);
        co_return exit_ok;
    }
    Json list = Json::array();
    for (const auto& one : wanted) {
        list.push_back({{"purpose", one.purpose},
                        {"name", one.name},
                        {"type", one.type},
                        {"record", one.line},
                        {"state", one.state},
                        {"found", one.found},
                        {"note", one.note}});
        if (!one.policy.empty()) list.back()["policy"] = one.policy;
    }
    print_json(list);
    co_return exit_ok;
}

/// An address of the domain itself before any other.
std::string report_address(const app::Site& site, const std::string& domain) {
    config::Diagnostics ignored;
    const auto addresses = config::bind<reports::ReportOptions>(*site.configuration, ignored).addresses;
    for (const auto& address : addresses)
        if (base::iends_with(address, "@" + domain)) return address;
    return addresses.empty() ? "postmaster@" + domain : addresses.front();
}

/// Those of the machine that the world may see.
std::vector<env::IpAddress> outer_addresses() {
    std::vector<env::IpAddress> out;
    for (const auto& address : app::own_addresses()) {
        const bool link_local =
            !address.is_v4() && address.bytes()[0] == 0xfe && (address.bytes()[1] & 0xc0) == 0x80;
        if (!address.is_loopback() && !link_local) out.push_back(address);
    }
    return out;
}

/// Keys that sign for the domain, and those that rotation has announced.
std::expected<std::vector<std::pair<std::string, std::string>>, std::string> key_records(
    const app::Site& site, const std::string& domain) {
    std::vector<std::pair<std::string, std::string>> out;
    platform::PosixFileSystem files;
    config::Diagnostics ignored;
    const auto options = config::bind<policy::SenderOptions>(*site.configuration, ignored);
    const auto keys = policy::SigningKeys::make(options, files);
    if (!keys) return std::unexpected(keys.error());
    for (const auto& key : keys->keys_for("postmaster@" + domain))
        if (key.domain == domain) out.emplace_back(key.selector, ::dkim::key_record_text(key.key));
    const auto rotation = policy::RotationFolder(files, options.key_directory).read(domain);
    if (!rotation) return std::unexpected(rotation.error());
    for (const auto& one : rotation->keys) {
        if (one.role != policy::RotationKey::Role::Next && one.role != policy::RotationKey::Role::Old)
            continue;
        const auto key = read_private_key(one.path);
        if (key) out.emplace_back(one.selector, ::dkim::key_record_text(*key));
    }
    return out;
}

/// Which of the services that clients look for master.cf offers, by their usual ports.
std::vector<DnsCall::Service> offered_services(const app::Site& site) {
    constexpr std::pair<std::string_view, std::uint16_t> known[] = {
        {"submission", 587}, {"submissions", 465}, {"imap", 143}, {"imaps", 993}};
    std::vector<DnsCall::Service> out;
    for (const auto& [name, port] : known)
        for (const auto& service : site.services) {
            const auto at = config::parse_listen_address(service.name);
            if (service.type != "inet" || !at || at->port != port) continue;
            out.push_back({std::string(name), port});
            break;
        }
    return out;
}

}  // namespace

int dns_records(const Invocation& invocation) {
    const auto options = NamedOptions::parse(invocation.arguments, {"resolver", "address"});
    if (!options) return usage_error("dns-records", options.error());
    const auto domain = options->rest().size() == 1
                            ? dns::Name::parse(mail::to_a_labels(options->rest()[0]).value_or(""))
                            : std::nullopt;
    if (!domain || domain->is_root()) return usage_error("dns-records", "name one domain");
    const auto site = read_site(invocation.directory);
    if (!site) return exit_configuration;
    DnsCall call;
    call.domain = domain->text();
    call.host = base::lower(site->configuration->get("myhostname"));
    call.srs_domain = base::lower(site->configuration->get("srs_domain"));
    call.report_address = report_address(*site, call.domain);
    call.services = offered_services(*site);
    const std::string addresses = options->get("address");
    for (const auto word : base::split_any(addresses, ", ")) {
        const auto address = env::IpAddress::parse(word);
        if (!address) return usage_error("dns-records", "--address needs addresses");
        call.addresses.push_back(*address);
    }
    if (call.addresses.empty()) call.addresses = outer_addresses();
    auto keys = key_records(*site, call.domain);
    if (!keys) {
        fmt::print(stderr, "postrider dns-records: {}\n", keys.error());
        return exit_configuration;
    }
    call.keys = std::move(*keys);
    auto world = make_judge_world(*options, *site);
    if (!world) return usage_error("dns-records", world.error());
    return (*world)->run(report(**world, std::move(call), invocation.json));
}

}  // namespace commands
