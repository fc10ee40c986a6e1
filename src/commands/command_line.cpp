#include "commands/command_line.hpp"

#include "commands/verb.hpp"

#include <algorithm>
#include <cstdlib>
#include <fmt/format.h>

namespace commands {
namespace {

constexpr const char* default_directory = "/etc/postfix";

void print_overview(std::FILE* to) {
    fmt::print(to, "Postrider, a mail server.\n\nusage: postrider [-c DIR] VERB [...]\n\n");
    for (const auto& verb : verbs()) fmt::print(to, "  {:<10} {}\n", verb.name, verb.summary);
    fmt::print(to,
               "\n  -c DIR     the directory of main.cf and master.cf (else $MAIL_CONFIG, else {})\n"
               "  --json     answers for programs, where a verb prints something\n"
               "  VERB --help   its options, with examples\n\n"
               "By symbolic link it answers to Postfix's names:",
               default_directory);
    for (const auto& name : program_names()) fmt::print(to, " {}", name.name);
    fmt::print(to, ".\n");
}

int unknown_verb(const std::string& name) {
    fmt::print(stderr, "postrider: there is no '{}'. Verbs:", name);
    for (const auto& verb : verbs()) fmt::print(stderr, " {}", verb.name);
    fmt::print(stderr, ". 'postrider --help' says more.\n");
    return exit_usage;
}

std::string program_name(const std::string& path) {
    const auto slash = path.rfind('/');
    return slash == std::string::npos ? path : path.substr(slash + 1);
}

}  // namespace

int run_command_line(std::vector<std::string> words) {
    Invocation invocation;
    if (const char* directory = std::getenv("MAIL_CONFIG")) invocation.directory = directory;
    if (invocation.directory.empty()) invocation.directory = default_directory;
    const std::string program = words.empty() ? "postrider" : program_name(words.front());
    const auto by_link = std::ranges::find(program_names(), program, &Verb::name);
    const Verb* verb = by_link == program_names().end() ? nullptr : &*by_link;
    for (std::size_t i = 1; i < words.size(); ++i) {
        const std::string& word = words[i];
        if (word == "-c" && (!verb || verb->takes_c)) {
            if (i + 1 >= words.size()) {
                fmt::print(stderr, "{}: -c needs a directory\n", program);
                return exit_usage;
            }
            invocation.directory = words[++i];
        } else if (!verb && (word == "--help" || word == "-h" || word == "help")) {
            print_overview(stdout);
            return exit_ok;
        } else if (!verb && (word == "--version" || word == "-V")) {
            fmt::print("postrider 0.1.0\n");
            return exit_ok;
        } else if (!verb) {
            const auto found = std::ranges::find(verbs(), word, &Verb::name);
            const auto posix = std::ranges::find(program_names(), word, &Verb::name);
            if (found != verbs().end())
                verb = &*found;
            else if (posix != program_names().end())
                verb = &*posix;
            else
                return unknown_verb(word);
        } else if (word == "--help") {
            fmt::print("{}: {}\n\n{}", verb->name, verb->summary, verb->help);
            return exit_ok;
        } else if (word == "--json") {
            invocation.json = true;
        } else {
            invocation.arguments.push_back(word);
        }
    }
    if (!verb) {
        print_overview(stderr);
        return exit_usage;
    }
    invocation.name = verb->name;
    while (invocation.directory.size() > 1 && invocation.directory.ends_with('/'))
        invocation.directory.pop_back();
    return verb->run(invocation);
}

}  // namespace commands
