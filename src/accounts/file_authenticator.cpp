#include "accounts/file_authenticator.hpp"

#include "accounts/password.hpp"
#include "base/text.hpp"

#include <fmt/format.h>

namespace accounts {
namespace {

constexpr std::uint64_t file_octets_max = 64ULL << 20;
// Hash of a password nobody has: what an unknown user's attempt is measured against.
constexpr std::string_view decoy =
    "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$cG9zdHJpZGVyIGRlY295IQ$"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

bool any_matches(const std::vector<std::string>& stored, const std::string& password) {
    bool out = false;
    for (const auto& hash : stored) out = password_matches(hash, password) || out;
    return out;
}

/// Names are as written; one in lower case is also found by other spellings.
auto find_user(const UserFile& file, const std::string& name) {
    const auto exact = file.users.find(name);
    return exact != file.users.end() ? exact : file.users.find(base::lower(name));
}

}  // namespace

std::expected<std::unique_ptr<FileAuthenticator>, std::string> FileAuthenticator::make(std::string path,
                                                                                       Services services) {
    std::unique_ptr<FileAuthenticator> out(new FileAuthenticator(std::move(path), services));
    auto done = out->read();
    if (!done) return std::unexpected(done.error());
    return out;
}

std::expected<void, std::string> FileAuthenticator::read() {
    looked_ = services_.clock.steady();
    const auto stat = services_.files.stat(path_);
    if (!stat && stat.error() == env::FileError::NotFound) {
        known_.reset();
        file_ = std::make_shared<UserFile>();
        return {};
    }
    if (!stat) return std::unexpected(fmt::format("{}: {}", path_, env::to_text(stat.error())));
    auto text = services_.files.read(path_, file_octets_max);
    if (!text) return std::unexpected(fmt::format("{}: {}", path_, env::to_text(text.error())));
    auto parsed = parse_user_file(*text);
    if (!parsed) return std::unexpected(fmt::format("{}, {}", path_, parsed.error()));
    known_ = *stat;
    file_ = std::make_shared<const UserFile>(std::move(*parsed));
    return {};
}

void FileAuthenticator::refresh() {
    constexpr auto look_every = std::chrono::seconds(1);
    if (services_.clock.steady() - looked_ < look_every) return;
    looked_ = services_.clock.steady();
    const auto stat = services_.files.stat(path_);
    const bool same = stat && known_ && stat->modified == known_->modified && stat->size == known_->size &&
                      stat->inode == known_->inode;
    if (same || (!stat && !known_)) return;
    auto done = read();
    if (!done)
        services_.events.note(base::Severity::Warning, "",
                              done.error() + "; the users as they were stay in force");
}

env::Task<LoginAnswer> FileAuthenticator::check(std::string user, std::string password, LoginClient) {
    refresh();
    const auto file = file_;
    const auto exact = find_user(*file, user);
    const bool known = exact != file->users.end() && !exact->second.disabled;
    std::vector<std::string> stored;
    if (known) {
        if (!exact->second.password.empty()) stored.push_back(exact->second.password);
        for (const auto& [name, hash] : exact->second.app_passwords) stored.push_back(hash);
    }
    if (stored.empty()) stored.emplace_back(decoy);
    auto compare = [stored = std::move(stored), password = std::move(password)] {
        return any_matches(stored, password);
    };
    const bool matches = co_await services_.workers.run(std::move(compare));
    LoginAnswer out;
    out.kind = known && matches ? LoginAnswer::Kind::Right : LoginAnswer::Kind::Wrong;
    if (known) out.user = exact->first;
    out.why = exact == file->users.end() ? "unknown user"
              : exact->second.disabled   ? "the account is disabled"
                                         : "wrong password";
    co_return out;
}

env::Task<std::optional<sasl::ScramVerifier>> FileAuthenticator::verifier(std::string user,
                                                                          sasl::ScramHash hash) {
    refresh();
    const auto found = find_user(*file_, user);
    if (found == file_->users.end() || found->second.disabled || hash != sasl::ScramHash::Sha256)
        co_return std::nullopt;
    constexpr std::string_view scheme = "{SCRAM-SHA-256}";
    const std::string_view password = found->second.password;
    if (password.starts_with(scheme)) co_return parse_verifier(password.substr(scheme.size()), hash);
    co_return parse_verifier(found->second.scram, hash);
}

}  // namespace accounts
