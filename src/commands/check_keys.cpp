#include "commands/check_keys.hpp"

#include "acme/options.hpp"
#include "app/options.hpp"
#include "app/signing_key_watch.hpp"
#include "commands/check_lists.hpp"
#include "commands/judge_world.hpp"
#include "commands/verb.hpp"
#include "policy/signing_keys.hpp"
#include "routing/options.hpp"

#include <fmt/format.h>

namespace commands {
namespace {

bool others_can_read(env::FileSystem& files, const std::string& path) {
    constexpr std::uint32_t others = 0007;
    const auto stat = files.stat(path);
    return stat && (stat->mode & others) != 0;
}

// A key that others can read is a key that others have.
void check_signing_keys(const app::Site& site, env::FileSystem& files, config::Diagnostics& diagnostics) {
    config::Diagnostics said_elsewhere;
    const auto keys = policy::SigningKeys::make(
        config::bind<policy::SenderOptions>(*site.configuration, said_elsewhere), files);
    if (!keys) return;
    for (const auto& key : keys->all()) {
        if (others_can_read(files, key.path))
            diagnostics.add(
                config::Severity::Warning, key.path, 0,
                fmt::format("the DKIM key can be read by others than its owner; chmod 600 {}", key.path));
    }
}

env::Task<int> ask_for_keys(JudgeWorld& world, std::shared_ptr<const app::Site> site, env::FileSystem& files,
                            std::vector<std::string>& out) {
    out = co_await app::signing_key_warnings(world.resolver(), site, files);
    co_return exit_ok;
}

/// Whether the DNS holds the public halves of what signs; it is asked only when something does.
void check_published_keys(const std::shared_ptr<const app::Site>& site, env::FileSystem& files,
                          config::Diagnostics& diagnostics) {
    config::Diagnostics said_elsewhere;
    const auto keys = policy::SigningKeys::make(
        config::bind<policy::SenderOptions>(*site->configuration, said_elsewhere), files);
    if (!keys || keys->empty()) return;
    constexpr std::chrono::seconds patience{5};
    const auto dns = config::bind<app::DnsOptions>(*site->configuration, said_elsewhere);
    const auto world = JudgeWorld::make(
        platform::DnsSettings{dns.servers, dns.trust_anchor, dns.strict, std::min(dns.timeout, patience)});
    if (!world) return;
    std::vector<std::string> warnings;
    static_cast<void>((*world)->run(ask_for_keys(**world, site, files, warnings)));
    for (const auto& text : warnings) diagnostics.add(config::Severity::Warning, "", 0, text);
}

// A key that others can read is a key that others have.
void check_key(const app::Site& site, env::FileSystem& files, config::Diagnostics& diagnostics) {
    for (const auto* name : {"smtpd_tls_key_file", "smtpd_tls_chain_files"}) {
        for (const auto& path : config::split_list(site.configuration->get(name))) {
            const auto stat = files.stat(path);
            if (!stat || (stat->mode & 0077) == 0) continue;
            const bool same_as_certificate = path == site.configuration->get("smtpd_tls_cert_file");
            const bool others = (stat->mode & 0007) != 0;
            if (!others && !same_as_certificate) continue;  // a group such as ssl-cert is usual
            const auto origin = site.configuration->origin(name);
            diagnostics.add(
                config::Severity::Warning, origin.file, origin.line,
                fmt::format("{}: {} can be read by others than its owner; chmod 600 {}", name, path, path));
        }
    }
}

void check_acme(const app::Site& site, config::Diagnostics& diagnostics) {
    config::Diagnostics said_elsewhere;
    const auto options = config::bind<acme::Options>(*site.configuration, said_elsewhere);
    const auto wanted = acme::wanted_certificates(options);
    const auto origin = site.configuration->origin("acme_domains");
    if (!wanted)
        diagnostics.add(config::Severity::Error, origin.file, origin.line, wanted.error());
    else if (!wanted->empty() && !options.terms_agreed)
        diagnostics.add(config::Severity::Warning, origin.file, origin.line,
                        "acme_domains: no certificate will come before acme_terms_agreed = yes says that you "
                        "agree to the authority's terms of service");
}

/// Sealing, secrets and keys of sender authentication.
void check_sender_authentication(const app::Site& site, env::FileSystem& files,
                                 config::Diagnostics& diagnostics) {
    config::Diagnostics said_elsewhere;
    const auto options = config::bind<policy::SenderOptions>(*site.configuration, said_elsewhere);
    const auto routing = config::bind<routing::RoutingOptions>(*site.configuration, said_elsewhere);
    const auto say = [&](config::Severity severity, const char* name, std::string text) {
        const auto origin = site.configuration->origin(name);
        diagnostics.add(severity, origin.file, origin.line, std::move(text));
    };
    if (options.arc_seal) {
        const auto key = policy::sealing_key(options, site.configuration->get("mydomain"), files);
        if (!key) say(config::Severity::Error, "arc_seal", key.error());
        if (options.check == policy::SenderCheck::No)
            say(config::Severity::Warning, "arc_seal",
                "arc_seal: only what was verified is sealed; set sender_authentication = mark or enforce");
    }
    std::vector<std::pair<const char*, std::string>> secrets;
    for (const auto& path : routing.srs_secret_files) secrets.emplace_back("srs_secret_files", path);
    if (const auto at = options.arc_seal_key.find(":/"); at != std::string::npos)
        secrets.emplace_back("arc_seal_key", options.arc_seal_key.substr(at + 1));
    for (const auto& [name, path] : secrets) {
        if (!others_can_read(files, path)) continue;
        say(config::Severity::Warning, name,
            fmt::format("{0}: {1} can be read by others than its owner; chmod 640 {1}", name, path));
    }
}

/// Tables with passwords.
void check_credential_files(const app::Site& site, env::FileSystem& files, config::Diagnostics& diagnostics) {
    const auto judge = [&](const config::Configuration& configuration, const config::Setting& setting) {
        if (setting.name != "smtp_sasl_password_maps" && setting.name != "lmtp_sasl_password_maps") return;
        for (const auto& item : config::split_list(configuration.expand(setting.value).value_or(""))) {
            const auto colon = item.find(":/");
            if (colon == std::string::npos) continue;
            const std::string path = item.substr(colon + 1);
            if (!others_can_read(files, path)) continue;
            diagnostics.add(config::Severity::Warning, setting.file, setting.line,
                            fmt::format("{0}: everybody can read the passwords in {1}; chmod 640 {1}",
                                        setting.name, path));
        }
    };
    for_all_settings(site, judge);
}

}  // namespace

void check_keys(const std::shared_ptr<const app::Site>& site, env::FileSystem& files,
                config::Diagnostics& diagnostics) {
    check_key(*site, files, diagnostics);
    check_acme(*site, diagnostics);
    check_sender_authentication(*site, files, diagnostics);
    check_signing_keys(*site, files, diagnostics);
    check_published_keys(site, files, diagnostics);
    check_credential_files(*site, files, diagnostics);
}

}  // namespace commands
