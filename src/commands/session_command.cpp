#include "commands/judge_world.hpp"
#include "commands/session.hpp"
#include "commands/verb.hpp"

#include <fmt/format.h>
#include <fstream>
#include <iostream>
#include <iterator>

namespace commands {
namespace {

std::string read_file(const std::string& path) {
    if (path == "-") return {std::istreambuf_iterator<char>(std::cin), {}};
    std::ifstream file(path, std::ios::binary);
    if (!file) fmt::print(stderr, "postrider session: {} cannot be read\n", path);
    return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

int session(const Invocation& invocation) {
    auto arguments = invocation.arguments;
    if (invocation.json) arguments.emplace_back("--json");
    auto options = parse_session_arguments(arguments, read_file);
    if (!options) {
        fmt::print(stderr, "{}", options.error());
        return exit_usage;
    }
    auto world = JudgeWorld::make(options->resolver);
    if (!world) return usage_error("session", world.error());
    SessionServices services{(*world)->loop,        (*world)->network,
                             (*world)->tls,         (*world)->random,
                             &(*world)->resolver(), [](std::string_view text) { fmt::print("{}", text); }};
    return (*world)->run(run_session(std::move(*options), std::move(services)));
}

}  // namespace commands
