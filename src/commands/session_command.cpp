#include "commands/hidden_input.hpp"
#include "commands/judge_world.hpp"
#include "commands/session.hpp"
#include "commands/verb.hpp"

#include <cstdio>
#include <fmt/format.h>
#include <fstream>
#include <iostream>
#include <iterator>
#include <unistd.h>

namespace commands {
namespace {

std::expected<std::string, std::string> read_file(const std::string& path) {
    if (path == "-") return std::string{std::istreambuf_iterator<char>(std::cin), {}};
    std::ifstream file(path, std::ios::binary);
    if (!file) return std::unexpected(path + " cannot be read");
    return std::string{std::istreambuf_iterator<char>(file), {}};
}

std::optional<std::string> ask_password() {
    if (::isatty(STDIN_FILENO) == 0) return std::nullopt;
    return ask_unseen("Password: ");
}

std::optional<std::string> next_line() {
    std::string line;
    if (!std::getline(std::cin, line)) return std::nullopt;
    return line;
}

void print(std::string_view text) {
    fmt::print("{}", text);
    std::fflush(stdout);  // whoever types sees the reply before the next line
}

}  // namespace

int session(const Invocation& invocation) {
    auto arguments = invocation.arguments;
    if (invocation.json) arguments.emplace_back("--json");
    auto options = parse_session_arguments(arguments, {read_file, ask_password});
    if (!options) {
        fmt::print(stderr, "{}", options.error());
        return exit_usage;
    }
    auto world = JudgeWorld::make(options->resolver);
    if (!world) return usage_error("session", world.error());
    SessionServices services{(*world)->loop,   (*world)->network,     (*world)->tls,
                             (*world)->random, &(*world)->resolver(), print,
                             next_line};
    return (*world)->run(run_session(std::move(*options), std::move(services)));
}

}  // namespace commands
