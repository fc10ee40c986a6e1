// postconf: prints and edits main.cf, prints master.cf, as Postfix's does (postconf(1)).
#include "base/text.hpp"
#include "commands/site_loader.hpp"
#include "commands/verb.hpp"
#include "platform/system.hpp"

#include <algorithm>
#include <cstdio>
#include <fcntl.h>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <set>
#include <sys/stat.h>
#include <unistd.h>

namespace commands {
namespace {

struct Wishes {
    enum class What {
        All,
        Set,
        Defaults,
        Master,
        MasterParameters,
        TableTypes,
        Edit,
        CommentOut,
        Remove
    } what = What::All;
    bool folded = false;       // -f
    bool values_only = false;  // -h
    bool names_only = false;   // -H
    bool expand = false;       // -x
    std::vector<std::string> words;
};

void print_parameter(const Wishes& wishes, const std::string& name, const std::string& value) {
    if (wishes.names_only)
        fmt::print("{}\n", name);
    else if (wishes.values_only)
        fmt::print("{}\n", value);
    else
        fmt::print("{} ={}{}\n", name, value.empty() ? "" : " ", value);
}

int print_parameters(const Wishes& wishes, const app::Site& site) {
    const auto& configuration = *site.configuration;
    const auto value_of = [&](const std::string& name) -> std::optional<std::string> {
        auto raw =
            wishes.what == Wishes::What::Defaults ? configuration.default_of(name) : configuration.raw(name);
        if (!raw || !wishes.expand) return raw;
        return configuration.expand(*raw).value_or(*raw);
    };
    std::set<std::string> names(wishes.words.begin(), wishes.words.end());
    const bool named = !names.empty();
    if (!named) {
        for (const auto& setting : configuration.settings())
            if (wishes.what != Wishes::What::Defaults) names.insert(setting.name);
        if (wishes.what != Wishes::What::Set)
            for (const auto& [name, info] : configuration.registry().all()) names.insert(name);
    }
    // In the order asked for; everything is by name.
    for (const auto& name : named ? wishes.words : std::vector<std::string>(names.begin(), names.end())) {
        if (named && wishes.what == Wishes::What::Set && !configuration.is_set(name)) continue;
        const auto value = value_of(name);
        if (value) {
            print_parameter(wishes, name, *value);
            continue;
        }
        const auto near = configuration.registry().nearest(name);
        fmt::print(stderr, "postconf: warning: {}: unknown parameter{}\n", name,
                   near.empty() ? "" : "; did you mean " + near + "?");
    }
    return exit_ok;
}

/// "-o name=value", with the braces that a value with white space needs.
std::string override_text(const std::pair<std::string, std::string>& item) {
    const bool braces = item.second.find_first_of(" \t") != std::string::npos;
    return fmt::format("-o {}{}={}{}", braces ? "{" : "", item.first, item.second, braces ? "}" : "");
}

void print_service(const config::Service& service, const Wishes& wishes) {
    // postconf -M's columns.
    constexpr std::size_t columns[] = {11, 17, 25, 33, 41, 49, 57};
    const std::string fields[] = {service.name,   service.type,   service.private_,     service.unprivileged,
                                  service.chroot, service.wakeup, service.process_limit};
    std::string line;
    for (std::size_t i = 0; i < std::size(fields); ++i) {
        line += fields[i];
        line += ' ';
        while (line.size() < columns[i]) line += ' ';
    }
    line += service.command;
    for (const auto& argument : service.arguments) line += " " + argument;
    for (const auto& item : service.overrides) line += (wishes.folded ? "\n    " : " ") + override_text(item);
    fmt::print("{}\n", line);
}

int print_services(const Wishes& wishes, const app::Site& site) {
    bool found = wishes.words.empty();
    for (const auto& service : site.services) {
        const auto wanted = [&](const std::string& word) {
            return word == service.name || word == service.name + "/" + service.type;
        };
        if (!wishes.words.empty() && std::ranges::none_of(wishes.words, wanted)) continue;
        if (wishes.what == Wishes::What::MasterParameters)
            for (const auto& [name, value] : service.overrides)
                print_parameter(wishes, fmt::format("{}/{}/{}", service.name, service.type, name), value);
        else
            print_service(service, wishes);
        found = true;
    }
    if (found) return exit_ok;
    fmt::print(stderr, "postconf: warning: unmatched request: \"{}\"\n", wishes.words.front());
    return exit_failed;
}

/// Writes beside the file and renames: a reader sees the old file or the new one.
bool replace_file(const std::string& path, const std::string& text) {
    struct stat before{};
    if (::stat(path.c_str(), &before) != 0) return false;
    const std::string temporary = path + ".tmp";
    const int descriptor = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
                                  before.st_mode & 0777);
    if (descriptor < 0) return false;
    bool ok = ::fchmod(descriptor, before.st_mode & 0777) == 0;
    if (::geteuid() == 0) ok = ok && ::fchown(descriptor, before.st_uid, before.st_gid) == 0;
    ok = ok && platform::write_all(descriptor, text) && ::fsync(descriptor) == 0;
    ::close(descriptor);
    ok = ok && std::rename(temporary.c_str(), path.c_str()) == 0;
    if (!ok) ::unlink(temporary.c_str());
    return ok;
}

std::string name_of(std::string_view line) { return std::string(base::trim(line.substr(0, line.find('=')))); }

int edit(const Wishes& wishes, const std::string& directory) {
    std::vector<std::pair<std::string, std::string>> changes;  // name, value
    for (const auto& word : wishes.words) {
        const auto equals = word.find('=');
        if (wishes.what == Wishes::What::Edit && equals == std::string::npos) {
            fmt::print(stderr, "postconf: fatal: missing '=' after attribute name: \"{}\"\n", word);
            return exit_usage;
        }
        if (word.find_first_of("\r\n") != std::string::npos) {
            fmt::print(stderr, "postconf: fatal: a line end in \"{}\"\n", base::printable(word));
            return exit_usage;
        }
        changes.emplace_back(name_of(word),
                             equals == std::string::npos
                                 ? ""
                                 : std::string(base::trim(std::string_view(word).substr(equals + 1))));
    }
    const std::string path = directory + "/main.cf";
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        fmt::print(stderr, "postconf: fatal: open {}: not readable\n", path);
        return exit_failed;
    }
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    std::string out;
    std::set<std::string> done;
    bool dropping = false, commenting = false;
    for (auto line : base::split(text, '\n')) {
        const bool continuation = !line.empty() && (line[0] == ' ' || line[0] == '\t');
        const bool comment = base::trim(line).starts_with('#') || base::trim(line).empty();
        if (!continuation && !comment) {
            const std::string current_name = name_of(line);
            const auto change =
                std::ranges::find(changes, current_name, [](const auto& c) { return c.first; });
            dropping = commenting = false;
            if (change != changes.end()) {
                if (wishes.what == Wishes::What::Edit) {
                    if (done.insert(current_name).second)
                        out += fmt::format("{} ={}{}\n", change->first, change->second.empty() ? "" : " ",
                                           change->second);
                    dropping = true;
                } else if (wishes.what == Wishes::What::Remove)
                    dropping = true;
                else
                    commenting = true;
            }
        }
        if (dropping && !comment) continue;
        if (commenting && !comment) out += "#";
        out += line;
        out += '\n';
    }
    if (out.ends_with("\n\n") && text.ends_with('\n')) out.pop_back();
    for (const auto& [name, value] : changes)
        if (wishes.what == Wishes::What::Edit && done.insert(name).second)
            out += fmt::format("{} ={}{}\n", name, value.empty() ? "" : " ", value);
    if (replace_file(path, out)) return exit_ok;
    fmt::print(stderr, "postconf: fatal: cannot write {}\n", path);
    return exit_failed;
}

}  // namespace

int postconf(const Invocation& invocation) {
    Wishes wishes;
    using What = Wishes::What;
    for (const auto& word : invocation.arguments) {
        if (word.size() < 2 || word[0] != '-') {
            wishes.words.push_back(word);
            continue;
        }
        for (const char letter : word.substr(1)) {
            switch (letter) {
                case 'n':
                    wishes.what = What::Set;
                    break;
                case 'd':
                    wishes.what = What::Defaults;
                    break;
                case 'e':
                    wishes.what = What::Edit;
                    break;
                case '#':
                    wishes.what = What::CommentOut;
                    break;
                case 'X':
                    wishes.what = What::Remove;
                    break;
                case 'M':
                    wishes.what = What::Master;
                    break;
                case 'P':
                    wishes.what = What::MasterParameters;
                    break;
                case 'm':
                    wishes.what = What::TableTypes;
                    break;
                case 'h':
                    wishes.values_only = true;
                    break;
                case 'H':
                    wishes.names_only = true;
                    break;
                case 'x':
                    wishes.expand = true;
                    break;
                case 'f':
                    wishes.folded = true;
                    break;
                case 'v':
                case 'p':
                    break;
                default:
                    fmt::print(stderr, "postconf: -{} is not known; --help lists what is\n", letter);
                    return exit_usage;
            }
        }
    }
    if (wishes.what == What::TableTypes) {
        for (const auto* type : {"btree", "cidr", "fail", "hash", "inline", "lmdb", "pcre", "proxy", "regexp",
                                 "static", "texthash", "unionmap", "unix"})
            fmt::print("{}\n", type);
        return exit_ok;
    }
    if (wishes.what == What::Edit || wishes.what == What::CommentOut || wishes.what == What::Remove)
        return edit(wishes, invocation.directory);
    if (wishes.what == What::All &&
        std::ranges::any_of(wishes.words, [](const auto& w) { return w.find('=') != std::string::npos; })) {
        wishes.what = What::Edit;  // postconf(1): "-e" is implied by name=value
        return edit(wishes, invocation.directory);
    }
    const auto site = read_site(invocation.directory);
    if (!site) return exit_failed;
    const bool services = wishes.what == What::Master || wishes.what == What::MasterParameters;
    return services ? print_services(wishes, *site) : print_parameters(wishes, *site);
}

}  // namespace commands
