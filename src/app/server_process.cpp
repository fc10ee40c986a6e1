#include "app/server_process.hpp"

#include "app/delivery_helper.hpp"
#include "app/running_server.hpp"
#include "base/text.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fmt/format.h>
#include <pwd.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

namespace app {
namespace {

int fail(const std::string& text) {
    std::fprintf(stderr, "postrider: fatal: %s\n", text.c_str());
    return 1;
}

// Folders the server needs, with the right owner when we are root.
std::expected<void, std::string> prepare_folder(const std::string& path, const std::string& owner,
                                                mode_t mode) {
    std::string so_far;
    for (const auto part : base::split(path, '/')) {
        so_far += (so_far.empty() ? "/" : so_far == "/" ? "" : "/") + std::string(part);
        if (part.empty()) continue;
        if (::mkdir(so_far.c_str(), so_far == path ? mode : 0755) != 0 && errno != EEXIST)
            return std::unexpected(fmt::format("cannot make {}: {}", so_far, std::strerror(errno)));
    }
    struct stat folder{};
    // The umask may have taken bits of a new folder's mode; a folder that is there keeps its own, unless it
    // must be open.
    if (::stat(path.c_str(), &folder) == 0 && (folder.st_mode & 07777 & mode) != mode)
        static_cast<void>(::chmod(path.c_str(), mode) + 0);
    if (::geteuid() != 0) return {};
    const passwd* entry = ::getpwnam(owner.c_str());
    if (!entry)
        return std::unexpected(fmt::format(
            "mail_owner = {}: no such user; create it (useradd -r {}) or name another", owner, owner));
    if (::chown(path.c_str(), entry->pw_uid, entry->pw_gid) != 0)
        return std::unexpected(fmt::format("cannot give {} to {}: {}", path, owner, std::strerror(errno)));
    return {};
}

// Keys and tables that only root may read: the helper reads these, and no others, for the server.
std::set<std::string> files_named_in(const Site& site, env::FileSystem& files) {
    std::set<std::string> out;
    const auto take = [&](const config::Configuration& configuration) {
        config::Diagnostics said_elsewhere;
        const auto signing = policy::SigningKeys::files(
            config::bind<policy::SenderOptions>(configuration, said_elsewhere), files);
        out.insert(signing.begin(), signing.end());
        for (const auto& setting : configuration.settings()) {
            const std::string_view name = setting.name;
            if (!name.ends_with("_file") && !name.ends_with("_files") && !name.ends_with("CAfile") &&
                !name.ends_with("_maps") && !name.ends_with("_checks") && !name.starts_with("dkim_"))
                continue;
            for (const auto& word : config::split_list(configuration.get(name)))
                if (const auto slash = word.find('/');
                    slash == 0 || (slash != std::string::npos && word[slash - 1] == ':'))
                    out.insert(word.substr(slash));
        }
    };
    take(*site.configuration);
    for (const auto& service : site.services) take(site.configuration->with_overrides(service));
    return out;
}

}  // namespace

int run_server(const std::string& directory) {
    sigset_t signals;
    sigemptyset(&signals);
    for (const int s : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, s);
    ::sigprocmask(SIG_BLOCK, &signals, nullptr);  // before any thread: only sigwait() gets them
    ::signal(SIGPIPE, SIG_IGN);
    platform::PosixFileSystem files;
    config::Diagnostics diagnostics;
    auto site = load_site(directory, files, inspect_machine(), diagnostics);
    for (const auto& d : diagnostics.list()) std::fprintf(stderr, "%s\n", d.render().c_str());
    if (!site || diagnostics.has_errors())
        return fail("the configuration has errors; postrider check says all of them");
    config::Diagnostics bound;
    auto options = config::bind<ProgramOptions>(*site->configuration, bound);
    HelperSettings helper_settings;
    helper_settings.host_name = site->configuration->get("myhostname");
    helper_settings.spool_directory = site->configuration->get("mail_spool_directory");
    helper_settings.readable = files_named_in(*site, files);
    const auto helper = start_delivery_helper(helper_settings);
    if (!helper) return fail(helper.error());
    const std::size_t loops =
        options.loops > 0 ? options.loops : std::max(1U, std::thread::hardware_concurrency());
    for (const auto& folder : {options.queue_directory, options.store_directory}) {
        auto made =
            prepare_folder(folder, options.mail_owner, folder == options.store_directory ? 0700 : 0755);
        if (!made) return fail(made.error());
    }
    const auto acme_options = config::bind<acme::Options>(*site->configuration, bound);
    if (!acme_options.domains.empty()) {
        auto made = prepare_folder(acme_options.folder, options.mail_owner, 0700);
        if (!made) return fail("acme_certificate_directory: " + made.error());
    }
    auto listeners =
        bind_listeners(*site, options, std::min<std::size_t>(loops, queue::QueueIdSource::loops_max - 1));
    if (!listeners) return fail(listeners.error());
    auto challenges = bind_challenges(*site, options);
    // Any program on the machine may leave a message, none may see another's; and knock.
    auto maildrop = prepare_folder(options.queue_directory + "/maildrop", options.mail_owner, 01733);
    auto open_to_all = prepare_folder(options.queue_directory + "/public", options.mail_owner, 0755);
    if (!maildrop || !open_to_all) return fail(maildrop ? open_to_all.error() : maildrop.error());
    auto pickup =
        platform::open_listener(env::Endpoint{{}, 0, options.queue_directory + "/public/pickup"}, 0666);
    if (!pickup)
        return fail(fmt::format("cannot listen on {}/public/pickup: {}", options.queue_directory,
                                env::to_text(pickup.error())));
    auto control = platform::open_listener(env::Endpoint{{}, 0, options.control_socket}, 0600);
    if (!control)
        return fail(
            fmt::format("cannot listen on {}: {}", options.control_socket, env::to_text(control.error())));
    if (::geteuid() == 0)
        if (const passwd* entry = ::getpwnam(options.mail_owner.c_str()))
            static_cast<void>(::chown(options.control_socket.c_str(), entry->pw_uid, entry->pw_gid) + 0);
    if (!options.log_file.empty() && options.log_file != "/dev/stdout" && ::geteuid() == 0) {
        // The log file is opened (and reopened) by the server's user.
        if (std::FILE* file = std::fopen(options.log_file.c_str(), "ae")) std::fclose(file);
        if (const passwd* entry = ::getpwnam(options.mail_owner.c_str()))
            static_cast<void>(::chown(options.log_file.c_str(), entry->pw_uid, entry->pw_gid) + 0);
    }
    // Connections in, connections out, DNS questions, the store's files.
    constexpr std::uint64_t other_descriptors = 2000;
    const auto connections =
        config::bind<server::ClientLimitOptions>(*site->configuration, bound).connections_max;
    if (const auto granted = raise_descriptor_limit(); granted < connections + other_descriptors)
        std::fprintf(stderr,
                     "postrider: warning: only %llu files may be open, postrider_connection_limit = %u wants "
                     "%llu: raise "
                     "LimitNOFILE in the service unit (or ulimit -n), or lower the parameter\n",
                     static_cast<unsigned long long>(granted), connections,
                     static_cast<unsigned long long>(connections + other_descriptors));
    if (auto problem = drop_privileges(options.mail_owner); !problem.empty()) return fail(problem);
    RunningServer server(site, std::move(options), std::move(*listeners), std::move(challenges), *control,
                         *pickup, *helper, loops);
    const std::string problem = server.run();
    return problem.empty() ? 0 : fail(problem);
}

}  // namespace app
