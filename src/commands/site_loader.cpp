#include "commands/site_loader.hpp"

#include "app/machine.hpp"
#include "commands/real_world.hpp"

#include <cstdio>

namespace commands {

std::shared_ptr<const app::Site> read_site(const std::string& directory) {
    platform::PosixFileSystem files;
    config::Diagnostics diagnostics;
    auto site = app::load_site(directory, files, app::inspect_machine(), diagnostics);
    if (!site)
        for (const auto& d : diagnostics.list()) std::fprintf(stderr, "%s\n", d.render().c_str());
    return site;
}

app::ProgramOptions program_options(const app::Site& site) {
    config::Diagnostics ignored;
    return config::bind<app::ProgramOptions>(*site.configuration, ignored);
}

namespace {

env::Task<int> converse(RealWorld& world, std::string socket_path, nlohmann::json request,
                        const std::function<void(const nlohmann::json&)>& on_line,
                        std::expected<void, ServerTrouble>& out) {
    out = co_await ask_server(world.loop, world.network, std::move(socket_path), std::move(request), on_line);
    co_return exit_ok;
}

}  // namespace

std::expected<void, ServerTrouble> try_asking(const Invocation& invocation, nlohmann::json request,
                                              const std::function<void(const nlohmann::json&)>& on_line) {
    const auto site = read_site(invocation.directory);
    std::expected<void, ServerTrouble> out;
    if (!site)
        return std::unexpected(
            ServerTrouble{ServerTrouble::Kind::Failed, "the configuration cannot be read"});
    RealWorld world;
    world.run(converse(world, program_options(*site).control_socket, std::move(request), on_line, out));
    return out;
}

bool ask(const Invocation& invocation, nlohmann::json request,
         const std::function<void(const nlohmann::json&)>& on_line) {
    const auto answered = try_asking(invocation, std::move(request), on_line);
    if (!answered) std::fprintf(stderr, "postrider: %s\n", answered.error().text.c_str());
    return answered.has_value();
}

}  // namespace commands
