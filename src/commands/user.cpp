// postrider user: the users of smtpd_sasl_type = postrider, in a file of Dovecot's passwd-file form.
#include "accounts/password.hpp"
#include "accounts/user_file.hpp"
#include "app/options.hpp"
#include "base/text.hpp"
#include "commands/site_loader.hpp"
#include "commands/verb.hpp"
#include "config/bind.hpp"
#include "platform/system.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <iostream>
#include <nlohmann/json.hpp>
#include <pwd.h>
#include <sys/file.h>
#include <termios.h>
#include <unistd.h>

namespace commands {
namespace {

constexpr std::uint64_t file_octets_max = 64ULL << 20;
constexpr std::size_t password_octets_advised = 10;
constexpr std::size_t salt_octets = 16;

int say(std::string_view problem) {
    fmt::print(stderr, "postrider user: {}\n", problem);
    return exit_failed;
}

/// A line from the terminal, unseen.
std::string ask_unseen(const char* prompt) {
    fmt::print(stderr, "{}", prompt);
    termios before{};
    const bool terminal = ::tcgetattr(STDIN_FILENO, &before) == 0;
    termios silent = before;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    if (terminal) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    std::string line;
    std::getline(std::cin, line);
    if (terminal) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    fmt::print(stderr, "\n");
    return line;
}

/// Asked twice on a terminal, else the first line of standard input. Empty: `problem` says why.
std::string new_password(std::string& problem) {
    std::string out;
    if (::isatty(STDIN_FILENO) != 0) {
        out = ask_unseen("New password: ");
        if (ask_unseen("Once more: ") != out) {
            problem = "the two passwords differ; nothing was changed";
            return "";
        }
    } else {
        std::getline(std::cin, out);
        if (out.ends_with('\r')) out.pop_back();
    }
    if (out.empty() || !base::is_utf8(out)) {
        problem = "a password is at least one character of UTF-8; nothing was changed";
        return "";
    }
    if (out.size() < password_octets_advised)
        fmt::print(
            stderr,
            "postrider user: warning: that password is short; {} characters or more are hard to guess\n",
            password_octets_advised);
    return out;
}

std::string fresh_octets(std::size_t count) {
    platform::SystemRandom random;
    std::string out(count, '\0');
    random.fill(out);
    return out;
}

void set_password(accounts::User& user, const std::string& password) {
    user.password = accounts::hash_password(password, fresh_octets(salt_octets));
    user.scram = accounts::verifier_text(
        sasl::make_verifier(sasl::ScramHash::Sha256, password, fresh_octets(salt_octets), 4096));
}

std::string easy_secret() {
    constexpr std::string_view letters = "abcdefghjkmnpqrstuvwxyz23456789";  // none that look alike
    platform::SystemRandom random;
    std::string out;
    for (int i = 0; i < 20; ++i) {
        if (i > 0 && i % 5 == 0) out += '-';
        out += letters[random.below(letters.size())];
    }
    return out;
}

/// The file under its lock; written anew as a whole, so that a reader sees the old one or the new one.
class LockedFile {
 public:
    LockedFile(std::string path, std::string owner) : path_(std::move(path)), owner_(std::move(owner)) {}
    ~LockedFile() {
        if (lock_ >= 0) ::close(lock_);
    }
    LockedFile(const LockedFile&) = delete;
    std::string open() {
        const std::string lock = path_ + ".lock";
        lock_ = ::open(lock.c_str(), O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (lock_ < 0 || ::flock(lock_, LOCK_EX) != 0) return lock + ": " + std::strerror(errno);
        platform::PosixFileSystem files;
        const auto text = files.read(path_, file_octets_max);
        if (!text && text.error() != env::FileError::NotFound)
            return path_ + ": " + std::string(env::to_text(text.error()));
        auto parsed = accounts::parse_user_file(text ? *text : "");
        if (!parsed) return path_ + ", " + parsed.error();
        file = std::move(*parsed);
        return "";
    }
    std::string save() {
        const std::string text = accounts::to_text(file), fresh = path_ + ".new";
        ::unlink(fresh.c_str());
        const int out = ::open(fresh.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
        bool good = out >= 0;
        if (good && ::geteuid() == 0)
            if (const passwd* entry = ::getpwnam(owner_.c_str()))
                good = ::fchown(out, entry->pw_uid, entry->pw_gid) == 0;
        good = good && platform::write_all(out, text) && ::fsync(out) == 0;
        if (out >= 0) ::close(out);
        good = good && ::rename(fresh.c_str(), path_.c_str()) == 0;
        return good ? "" : path_ + ": " + std::strerror(errno);
    }
    accounts::UserFile file;

 private:
    std::string path_, owner_;
    int lock_ = -1;
};

int list(const accounts::UserFile& file, bool json) {
    nlohmann::json out = nlohmann::json::array();
    for (const auto& [name, user] : file.users) {
        std::string apps;
        nlohmann::json labels = nlohmann::json::array();
        for (const auto& [label, hash] : user.app_passwords) {
            labels.push_back(label);
            apps += (apps.empty() ? "" : ", ") + label;
        }
        if (json)
            out.push_back({{"name", name},
                           {"disabled", user.disabled},
                           {"scram", !user.scram.empty()},
                           {"app_passwords", labels}});
        else
            fmt::print("{}{}{}\n", name, user.disabled ? "  (disabled)" : "",
                       apps.empty() ? "" : "  app: " + apps);
    }
    if (json) fmt::print("{}\n", out.dump(2));
    return exit_ok;
}

}  // namespace

int user(const Invocation& invocation) {
    const auto& words = invocation.arguments;
    const std::string verb = words.empty() ? "list" : words[0];
    const bool known = verb == "list" || verb == "add" || verb == "passwd" || verb == "disable" ||
                       verb == "enable" || verb == "remove" || verb == "app-password";
    const std::size_t wanted = verb == "list"           ? std::min<std::size_t>(words.size(), 1)
                               : verb == "app-password" ? 3
                                                        : 2;
    if (!known || words.size() != wanted) {
        fmt::print(
            stderr,
            "usage: postrider user list | add|passwd|disable|enable|remove NAME | app-password NAME LABEL\n");
        return exit_usage;
    }
    const auto site = read_site(invocation.directory);
    if (!site) return exit_configuration;
    config::Diagnostics ignored;
    const auto options = config::bind<app::AuthOptions>(*site->configuration, ignored);
    LockedFile users(options.user_file, site->configuration->get("mail_owner"));
    if (const auto problem = users.open(); !problem.empty()) return say(problem);
    if (verb == "list") return list(users.file, invocation.json);
    const std::string& name = words[1];
    if (!accounts::is_user_name(name)) return say("a user name has no spaces, colons or control characters");
    auto& all = users.file.users;
    const auto found = all.find(name);
    if (verb == "add" && found != all.end()) return say(name + " is there already; use passwd");
    if (verb != "add" && found == all.end()) return say("there is no user " + name);
    std::string problem;
    if (verb == "add" || verb == "passwd") {
        const auto password = new_password(problem);
        if (password.empty()) return say(problem);
        set_password(all[name], password);
    } else if (verb == "remove") {
        all.erase(found);
    } else if (verb == "app-password") {
        const std::string& label = words[2];
        const bool simple = !label.empty() && label.size() <= 64 && std::ranges::all_of(label, [](char c) {
            return base::is_alnum(c) || c == '-' || c == '_' || c == '.';
        });
        if (!simple) return say("a label has letters, digits, '-', '_' and '.'");
        auto& apps = found->second.app_passwords;
        std::erase_if(apps, [&](const auto& app) { return app.first == label; });
        const std::string secret = easy_secret();
        apps.emplace_back(label, accounts::hash_password(secret, fresh_octets(salt_octets)));
        if (problem = users.save(); !problem.empty()) return say(problem);
        fmt::print("{}\n", secret);
        return exit_ok;
    } else {
        found->second.disabled = verb == "disable";
    }
    if (problem = users.save(); !problem.empty()) return say(problem);
    return exit_ok;
}

}  // namespace commands
