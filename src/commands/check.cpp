// postrider check: everything that is wrong with a configuration, at once.
#include "app/certificates.hpp"
#include "app/front.hpp"
#include "app/machine.hpp"
#include "app/report_desk.hpp"
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
    void emit(const base::Event& event) override {
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

/// Every list and every table by itself, so that all that are wrong are said, each with its place.
void check_lists_and_tables(const app::Site& site, const app::LoopEnvironment& environment,
                            config::Diagnostics& diagnostics) {
    tables::Factory factory(tables::TableServices{environment.files, environment.loop.clock(),
                                                  environment.users, environment.events});
    const auto judge = [&](const config::Configuration& configuration, const config::Setting& setting) {
        if (!configuration.registry().find(setting.name)) return;
        const auto value = configuration.expand(setting.value);
        if (!value) return;  // said already
        std::string problem;
        if (setting.name.ends_with("_restrictions")) {
            const auto classes = config::split_list(configuration.get("smtpd_restriction_classes"));
            const auto compiled = policy::compile(setting.name, *value, factory, classes);
            if (!compiled) problem = compiled.error();
        } else if (setting.name.ends_with("_maps") && setting.name != "local_recipient_maps") {
            const auto format =
                setting.name == "alias_maps" ? tables::SourceFormat::Alias : tables::SourceFormat::Map;
            const auto opened = factory.open_list(*value, format);
            if (!opened) problem = fmt::format("{}: {}", setting.name, opened.error().text);
        }
        if (!problem.empty()) diagnostics.add(config::Severity::Error, setting.file, setting.line, problem);
    };
    for (const auto& setting : site.configuration->settings()) judge(*site.configuration, setting);
    for (const auto& service : site.services) {
        if (service.type != "inet") continue;
        const auto own = site.configuration->with_overrides(service);
        for (const auto& [name, value] : service.overrides) {
            const config::Setting setting{name, value, service.file, service.line};
            judge(own, setting);
        }
    }
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
        check_key(*site, files, diagnostics);
        check_acme(*site, diagnostics);
        app::judge_reports(*site, files, diagnostics);
        for (const auto& warning : app::certificate_warnings(*site, files, world.clock.wall()))
            diagnostics.add(config::Severity::Warning, warning.origin.file, warning.origin.line,
                            warning.text);
        const app::LoopEnvironment environment{world.loop,   world.network, world.tls, nullptr, store,
                                               world.random, workers,       files,     users,   events};
        check_lists_and_tables(*site, environment, diagnostics);
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
