// postrider check: everything that is wrong with a configuration, at once.
#include "app/certificates.hpp"
#include "app/front.hpp"
#include "app/login_options.hpp"
#include "app/machine.hpp"
#include "app/report_desk.hpp"
#include "app/signing_key_watch.hpp"
#include "commands/check_keys.hpp"
#include "commands/check_lists.hpp"
#include "commands/check_outbound.hpp"
#include "commands/real_world.hpp"
#include "commands/site_loader.hpp"
#include "commands/verb.hpp"
#include "platform/log_writer.hpp"

#include <fmt/format.h>
#include <unistd.h>

namespace commands {
namespace {

/// The check stores nothing.
class NoStore : public env::Store {
 public:
    env::Task<std::expected<void, env::StoreError>> commit(env::Batch, env::Durability) override {
        co_return std::unexpected(env::StoreError::Closed);
    }
    env::Task<std::expected<std::optional<std::string>, env::StoreError>> read(env::Keyspace,
                                                                               std::string) override {
        co_return std::unexpected(env::StoreError::Closed);
    }
    env::Task<std::expected<std::vector<Entry>, env::StoreError>> scan(env::Keyspace, std::string,
                                                                       std::string, std::size_t) override {
        co_return std::unexpected(env::StoreError::Closed);
    }
    std::uint64_t free_bytes() const override { return 0; }
};

/// What tables say while they are opened becomes a diagnostic.
class DiagnosticEvents : public base::EventSink {
 public:
    explicit DiagnosticEvents(config::Diagnostics& diagnostics) : diagnostics_(diagnostics) {}
    void emit(base::Event event) override {
        const auto* note = std::get_if<base::Note>(&event);
        if (note && note->severity >= base::Severity::Warning)
            diagnostics_.add(config::Severity::Warning, "", 0, note->text);
    }

 private:
    config::Diagnostics& diagnostics_;
};

class NoWorkers : public env::Workers {
 public:
    env::Task<void> run_erased(std::move_only_function<void()> work) override {
        work();
        co_return;
    }
};

/// Who could log in at a Postfix with the same settings, and cannot here (docs/decisions/0010).
void check_logins(const app::Site& site, config::Diagnostics& diagnostics) {
    for (const auto& service : site.services) {
        if (service.type != "inet" || service.command != "smtpd") continue;
        const auto own = site.configuration->with_overrides(service);
        config::Diagnostics said_elsewhere;
        if (!config::bind<app::AuthOptions>(own, said_elsewhere).enable) continue;
        const auto tls = config::bind<app::TlsServerOptions>(own, said_elsewhere);
        const std::string level = own.get("smtpd_tls_security_level");
        const bool without_tls =
            !tls.wrapper_mode && !tls.use_tls && !tls.enforce_tls && (level.empty() || level == "none");
        const auto origin = own.origin("smtpd_tls_auth_only");
        const bool in_clear = own.is_set("smtpd_tls_auth_only") && own.get("smtpd_tls_auth_only") == "no";
        if (without_tls)
            diagnostics.add(
                config::Severity::Warning, service.file, service.line,
                fmt::format("service {}: AUTH is offered with TLS only, and this service has none: set "
                            "smtpd_tls_security_level = may{}",
                            service.name,
                            in_clear ? "; only clients on the loopback interface can log in" : ""));
        else if (in_clear && !tls.wrapper_mode && !tls.enforce_tls && level != "encrypt")
            diagnostics.add(
                config::Severity::Warning, origin.file, origin.line,
                "smtpd_tls_auth_only = no: only clients on the loopback interface may log in without "
                "TLS; to others AUTH is offered after STARTTLS");
    }
}

void check_services(const app::Site& site, config::Diagnostics& diagnostics) {
    bool listens = false;
    for (const auto& service : site.services) {
        if (service.type != "inet" || service.command != "smtpd") continue;
        listens = true;
        if (!config::parse_listen_address(service.name))
            diagnostics.add(config::Severity::Error, service.file, service.line,
                            fmt::format("'{}' is no port, service name or address:port", service.name));
    }
    if (!listens)
        diagnostics.add(config::Severity::Error, site.directory + "/master.cf", 0,
                        "no service of type inet runs smtpd: nothing to listen on");
}

/// A rule about whose address it is, where nothing says whose it is.
void check_sender_logins(const app::Site& site, config::Diagnostics& diagnostics) {
    const auto judge = [&](const config::Configuration& configuration, const config::Setting& setting) {
        const auto value = configuration.expand(setting.value).value_or("");
        const bool restricts = setting.name.ends_with("_restrictions") &&
                               value.find("sender_login_mismatch") != std::string::npos;
        const bool authors = setting.name == "smtpd_from_login_mismatch_action" && value != "none";
        if (!restricts && !authors) return;
        config::Diagnostics said_elsewhere;
        const auto options = config::bind<policy::PolicyOptions>(configuration, said_elsewhere);
        if (!options.sender_login_maps.empty() || options.sender_login_own_address) return;
        diagnostics.add(config::Severity::Warning, setting.file, setting.line,
                        fmt::format("{} has no effect: neither smtpd_sender_login_maps nor "
                                    "smtpd_sender_login_own_address = yes says whose an address is",
                                    authors ? setting.name : "reject_..._sender_login_mismatch"));
    };
    for_all_settings(site, judge);
}

}  // namespace

int check(const Invocation& invocation) {
    RealWorld world;
    platform::PosixFileSystem files;
    platform::PosixUsers users;
    NoStore store;
    NoWorkers workers;
    config::Diagnostics diagnostics;
    DiagnosticEvents events(diagnostics);
    const auto site = app::load_site(invocation.directory, files, app::inspect_machine(), diagnostics);
    if (site) {
        check_services(*site, diagnostics);
        check_keys(site, files, diagnostics);
        check_logins(*site, diagnostics);
        check_sender_logins(*site, diagnostics);
        app::judge_reports(*site, files, diagnostics);
        for (const auto& warning : app::certificate_warnings(*site, files, world.clock.wall()))
            diagnostics.add(config::Severity::Warning, warning.origin.file, warning.origin.line,
                            warning.text);
        const app::LoopEnvironment environment{world.loop,   world.network, world.tls, nullptr, store,
                                               world.random, workers,       files,     users,   events};
        check_lists(*site, environment, diagnostics);
        check_transports(*site, diagnostics);
        if (!diagnostics.has_errors()) {
            const auto built = app::build_front(*site, environment, app::own_addresses());
            if (!built) diagnostics.add(config::Severity::Error, "", 0, built.error());
        }
        check_outbound(*site, environment, app::own_addresses(), diagnostics);
        const std::string owner = site->configuration->get("mail_owner");
        if (::geteuid() == 0 && !users.find(owner).value_or(std::nullopt))
            diagnostics.add(
                config::Severity::Error, site->configuration->origin("mail_owner").file,
                site->configuration->origin("mail_owner").line,
                fmt::format(
                    "mail_owner = {}: no such user; create it with: useradd -r -M -s /usr/sbin/nologin {}",
                    owner, owner));
    }
    nlohmann::json list = nlohmann::json::array();
    for (const auto& d : diagnostics.list()) {
        if (!invocation.json) fmt::print(stderr, "{}\n", d.render());
        const char* severity = d.severity == config::Severity::Error     ? "error"
                               : d.severity == config::Severity::Warning ? "warning"
                                                                         : "note";
        list.push_back({{"severity", severity}, {"file", d.file}, {"line", d.line}, {"text", d.text}});
    }
    if (invocation.json) fmt::print("{}\n", list.dump());
    return diagnostics.has_errors() ? exit_failed : exit_ok;
}

}  // namespace commands
