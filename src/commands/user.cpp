// postrider user: the users of smtpd_sasl_type = postrider, in a file of Dovecot's passwd-file form.
#include "accounts/password.hpp"
#include "accounts/user_file.hpp"
#include "app/login_options.hpp"
#include "base/text.hpp"
#include "commands/hidden_input.hpp"
#include "commands/site_loader.hpp"
#include "commands/verb.hpp"
#include "config/bind.hpp"
#include "platform/system.hpp"
#include "sasl/prepare.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <pwd.h>
#include <sys/file.h>
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
    if (!sasl::prepared(out, sasl::PrepareFor::Stored)) {
        problem =
            "a password is at least one character of UTF-8, without control characters and others that RFC "
            "4013 "
            "forbids; nothing was changed";
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
    const std::string prepared = sasl::prepared_or_same(password);
    const auto verifier = [&](sasl::ScramHash hash) {
        return accounts::verifier_text(
            sasl::make_verifier(hash, prepared, fresh_octets(salt_octets), sasl::scram_iterations_new));
    };
    user.scram = verifier(sasl::ScramHash::Sha256);
    user.scram_sha1 = verifier(sasl::ScramHash::Sha1);
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
    /// Waits for whoever else is changing the file. Error: a sentence.
    std::string lock() {
        const std::string lock = path_ + ".lock";
        lock_ = ::open(lock.c_str(), O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (lock_ < 0 || ::flock(lock_, LOCK_EX) != 0) return lock + ": " + std::strerror(errno);
        return "";
    }
    std::string read() {
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
        const auto slash = path_.rfind('/');
        const std::string folder = slash == std::string::npos ? "." : path_.substr(0, slash + 1);
        const int opened = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (opened >= 0) {  // so that a power cut does not bring the old password back
            ::fsync(opened);
            ::close(opened);
        }
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
                           {"scram", !user.scram.empty() || base::istarts_with(user.password, "{SCRAM-")},
                           {"app_passwords", labels}});
        else
            fmt::print("{}{}{}\n", name, user.disabled ? "  (disabled)" : "",
                       apps.empty() ? "" : "  app: " + apps);
    }
    if (json) fmt::print("{}\n", out.dump(2));
    return exit_ok;
}

/// A label can stand in the user file and on a command line.
bool is_label(std::string_view label) {
    constexpr std::size_t octets_max = 64;
    return !label.empty() && label.size() <= octets_max && std::ranges::all_of(label, [](char c) {
        return base::is_alnum(c) || c == '-' || c == '_' || c == '.';
    });
}

struct Change {
    std::string name, label;
    std::string secret;  // the new password; one that was made up is shown once
};
using Users = std::map<std::string, accounts::User, std::less<>>;

/// What a verb does to the users. "" or what is wrong.
std::string set(Users& users, Change& change) {
    set_password(users[change.name], change.secret);
    change.secret.clear();
    return "";
}
std::string disable(Users& users, Change& change) {
    users[change.name].disabled = true;
    return "";
}
std::string enable(Users& users, Change& change) {
    users[change.name].disabled = false;
    return "";
}
std::string remove(Users& users, Change& change) {
    users.erase(change.name);
    return "";
}
std::string make_app_password(Users& users, Change& change) {
    if (!is_label(change.label)) return "a label has letters, digits, '-', '_' and '.'";
    auto& apps = users[change.name].app_passwords;
    std::erase_if(apps, [&](const auto& app) { return app.first == change.label; });
    change.secret = easy_secret();
    apps.emplace_back(change.label, accounts::hash_password(change.secret, fresh_octets(salt_octets)));
    return "";
}
std::string revoke_app_password(Users& users, Change& change) {
    auto& apps = users[change.name].app_passwords;
    const auto gone = std::erase_if(apps, [&](const auto& app) { return app.first == change.label; });
    return gone > 0 ? "" : fmt::format("{} has no application password {}", change.name, change.label);
}

struct UserVerb {
    std::string_view name;
    std::size_t words;  // with the verb itself
    enum class Asks { Nothing, Password } asks;
    std::string (*apply)(Users&, Change&);
};
constexpr UserVerb user_verbs[] = {
    {"add", 2, UserVerb::Asks::Password, set},
    {"passwd", 2, UserVerb::Asks::Password, set},
    {"disable", 2, UserVerb::Asks::Nothing, disable},
    {"enable", 2, UserVerb::Asks::Nothing, enable},
    {"delete", 2, UserVerb::Asks::Nothing, remove},
    {"remove", 2, UserVerb::Asks::Nothing, remove},
    {"app-password", 3, UserVerb::Asks::Nothing, make_app_password},
    {"revoke", 3, UserVerb::Asks::Nothing, revoke_app_password},
};

std::string presence_problem(const LockedFile& users, const UserVerb& verb, const std::string& name) {
    const bool there = users.file.users.contains(name);
    if (verb.name == "add") return there ? name + " is there already; use passwd" : "";
    return there ? "" : "there is no user " + name;
}

int change_users(LockedFile& users, const UserVerb& verb, Change change, bool json) {
    if (!accounts::is_user_name(change.name) || sasl::prepared(change.name) != change.name)
        return say(
            "a user name has no spaces, colons, control characters or characters that have a simpler form");
    std::string problem = users.read();
    if (problem.empty()) problem = presence_problem(users, verb, change.name);
    if (problem.empty() && verb.asks == UserVerb::Asks::Password) change.secret = new_password(problem);
    // Nobody holds the lock while somebody thinks of a password.
    if (problem.empty()) problem = users.lock();
    if (problem.empty()) problem = users.read();
    if (problem.empty()) problem = presence_problem(users, verb, change.name);
    if (problem.empty()) problem = verb.apply(users.file.users, change);
    if (problem.empty()) problem = users.save();
    if (!problem.empty()) return say(problem);
    if (json) {
        nlohmann::json out{{"name", change.name}, {"done", verb.name}};
        if (!change.label.empty()) out["label"] = change.label;
        if (!change.secret.empty()) out["password"] = change.secret;
        fmt::print("{}\n", out.dump());
    } else if (!change.secret.empty()) {
        fmt::print("{}\n", change.secret);
    }
    return exit_ok;
}

}  // namespace

int user(const Invocation& invocation) {
    const auto& words = invocation.arguments;
    const std::string name = words.empty() ? "list" : words[0];
    const auto* verb = std::ranges::find(user_verbs, name, &UserVerb::name);
    const bool lists = name == "list" && words.size() <= 1;
    if (!lists && (verb == std::end(user_verbs) || words.size() != verb->words)) {
        fmt::print(
            stderr,
            "usage: postrider user list | add|passwd|disable|enable|delete NAME | app-password|revoke NAME "
            "LABEL\n");
        return exit_usage;
    }
    const auto site = read_site(invocation.directory);
    if (!site) return exit_configuration;
    config::Diagnostics ignored;
    const auto options = config::bind<app::AuthOptions>(*site->configuration, ignored);
    LockedFile users(options.user_file, site->configuration->get("mail_owner"));
    if (lists) {
        const auto problem = users.read();
        return problem.empty() ? list(users.file, invocation.json) : say(problem);
    }
    return change_users(users, *verb, {words[1], words.size() > 2 ? words[2] : "", ""}, invocation.json);
}

}  // namespace commands
