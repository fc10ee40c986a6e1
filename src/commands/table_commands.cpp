// postmap, postalias, newaliases: hash: and its like read the source text itself, so these only check it, and
// look keys up.
#include "base/text.hpp"
#include "commands/real_world.hpp"
#include "commands/site_loader.hpp"
#include "commands/verb.hpp"
#include "config/values.hpp"
#include "tables/factory.hpp"

#include <fmt/format.h>
#include <fstream>
#include <iostream>
#include <iterator>

namespace commands {
namespace {

class StderrEvents : public base::EventSink {
 public:
    void emit(base::Event event) override {
        if (const auto* note = std::get_if<base::Note>(&event)) fmt::print(stderr, "{}\n", note->text);
    }
};

/// "hash:/etc/aliases" or "/etc/aliases" -> the path; empty: a type that has no source text.
std::string source_of(const std::string& spec) {
    const auto colon = spec.find(':');
    if (colon == std::string::npos) return spec;
    const std::string type = spec.substr(0, colon);
    const bool text = type == "hash" || type == "btree" || type == "texthash" || type == "dbm";
    return text ? spec.substr(colon + 1) : "";
}

int check_source(const std::string& program, const std::string& spec, tables::SourceFormat format) {
    const std::string path = source_of(spec);
    if (path.empty()) {
        fmt::print(stderr, "{}: fatal: {}: only tables made of a text file can be checked\n", program, spec);
        return exit_usage;
    }
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        fmt::print(stderr, "{}: fatal: open {}: cannot be read\n", program, path);
        return exit_failed;
    }
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const auto entries = tables::parse_source(text, format);
    if (!entries) {
        fmt::print(stderr, "{}: fatal: {}: {}\n", program, path, entries.error());
        return exit_failed;
    }
    return exit_ok;
}

enum class Shown { Values, KeysToo };

env::Task<int> look_up(std::string program, std::shared_ptr<tables::Table> table,
                       std::vector<std::string> keys, Shown shown) {
    int status = exit_failed;
    for (const auto& key : keys) {
        auto found = co_await table->lookup(key);
        if (!found) {
            fmt::print(stderr, "{}: fatal: {}\n", program, found.error().text);
            co_return exit_failed;
        }
        if (!*found) continue;
        if (shown == Shown::KeysToo)
            fmt::print("{}\t{}\n", key, **found);
        else
            fmt::print("{}\n", **found);
        status = exit_ok;
    }
    co_return status;
}

int query(const Invocation& invocation, const std::string& key, const std::vector<std::string>& specs,
          tables::SourceFormat format) {
    RealWorld world;
    platform::PosixFileSystem files;
    platform::PosixUsers users;
    StderrEvents events;
    tables::Factory factory(tables::TableServices{files, world.clock, users, events});
    std::vector<std::string> keys{key};
    const Shown shown = key == "-" ? Shown::KeysToo : Shown::Values;
    if (shown == Shown::KeysToo) {
        keys.clear();
        for (std::string line; std::getline(std::cin, line);) keys.push_back(line);
    }
    for (const auto& spec : specs) {
        auto table = factory.open(spec.find(':') == std::string::npos ? "hash:" + spec : spec, format);
        if (!table) {
            fmt::print(stderr, "{}: fatal: {}\n", invocation.name, table.error().text);
            return exit_failed;
        }
        if (world.run(look_up(invocation.name, *table, keys, shown)) == exit_ok) return exit_ok;
    }
    return exit_failed;
}

int map_command(const Invocation& invocation, tables::SourceFormat format) {
    std::string key;
    bool has_key = false;
    std::vector<std::string> specs;
    const auto& words = invocation.arguments;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (words[i] == "-q" && i + 1 < words.size()) {
            key = words[++i];
            has_key = true;
        } else if (words[i].size() > 1 && words[i][0] == '-') {
            if (words[i].find_first_not_of("-bfFhimnNoprsUvw") != std::string::npos) {
                fmt::print(stderr, "{}: {} is not known; --help says more\n", invocation.name, words[i]);
                return exit_usage;
            }
        } else {
            specs.push_back(words[i]);
        }
    }
    if (specs.empty()) {
        fmt::print(stderr, "usage: {} [-q KEY] TYPE:FILE...\n", invocation.name);
        return exit_usage;
    }
    if (has_key) return query(invocation, key, specs, format);
    for (const auto& spec : specs)
        if (const int status = check_source(invocation.name, spec, format); status != exit_ok) return status;
    return exit_ok;
}

}  // namespace

int postmap(const Invocation& invocation) { return map_command(invocation, tables::SourceFormat::Map); }
int postalias(const Invocation& invocation) { return map_command(invocation, tables::SourceFormat::Alias); }

int newaliases(const Invocation& invocation) {
    const auto site = read_site(invocation.directory);
    if (!site) return exit_configuration;
    for (const auto& spec : config::split_list(site->configuration->get("alias_database")))
        if (const int status = check_source("newaliases", spec, tables::SourceFormat::Alias);
            status != exit_ok)
            return status;
    return exit_ok;
}

}  // namespace commands
