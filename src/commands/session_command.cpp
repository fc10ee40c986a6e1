#include "commands/real_world.hpp"
#include "commands/session.hpp"
#include "commands/verb.hpp"

#include <fmt/format.h>
#include <fstream>
#include <iostream>
#include <iterator>

namespace commands {

int session(const Invocation& invocation) {
    RealWorld world;
    SessionServices services{world.loop,
                             world.network,
                             world.tls,
                             nullptr,
                             [](std::string_view text) { fmt::print("{}", text); },
                             [](const std::string& path) -> std::string {
                                 if (path == "-") return {std::istreambuf_iterator<char>(std::cin), {}};
                                 std::ifstream file(path, std::ios::binary);
                                 if (!file)
                                     fmt::print(stderr, "postrider session: {} cannot be read\n", path);
                                 return {std::istreambuf_iterator<char>(file), {}};
                             }};
    auto arguments = invocation.arguments;
    if (invocation.json) arguments.emplace_back("--json");
    auto options = parse_session_arguments(arguments, services);
    if (!options) {
        fmt::print(stderr, "{}", options.error());
        return exit_usage;
    }
    return world.run(run_session(std::move(*options), std::move(services)));
}

}  // namespace commands
