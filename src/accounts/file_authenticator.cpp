#include "accounts/file_authenticator.hpp"

#include "accounts/password.hpp"
#include "base/result.hpp"
#include "base/text.hpp"
#include "sasl/prepare.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace accounts {
namespace {

// Hash of a password nobody has: for unknown users of an empty file.
constexpr std::string_view decoy =
    "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$cG9zdHJpZGVyIGRlY295IQ$"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
constexpr std::size_t salt_octets = 16;
constexpr sasl::ScramHash scram_hashes[] = {sasl::ScramHash::Sha1, sasl::ScramHash::Sha256};

bool any_matches(const std::vector<std::string>& stored, const std::string& password) {
    bool out = false;
    for (const auto& hash : stored) out = password_matches(hash, password) || out;
    return out;
}

std::vector<std::string> hashes(const User& user) {
    std::vector<std::string> out;
    if (!user.password.empty()) out.push_back(user.password);
    for (const auto& [name, hash] : user.app_passwords) out.push_back(hash);
    return out;
}

/// The verifier that is kept; one can also be made of a {PLAIN} password.
std::optional<sasl::ScramVerifier> kept_verifier(const User& user, sasl::ScramHash hash) {
    const std::string_view scheme = hash == sasl::ScramHash::Sha256 ? "{SCRAM-SHA-256}" : "{SCRAM-SHA-1}";
    if (base::istarts_with(user.password, scheme))
        return parse_verifier(std::string_view(user.password).substr(scheme.size()), hash);
    return parse_verifier(hash == sasl::ScramHash::Sha256 ? user.scram : user.scram_sha1, hash);
}

std::size_t index(sasl::ScramHash hash) { return hash == sasl::ScramHash::Sha1 ? 0 : 1; }

}  // namespace

FileAuthenticator::FileAuthenticator(UserFileSettings settings, FileServices services)
    : settings_(std::move(settings)), services_(services), file_(settings_.path, services) {}

std::expected<std::unique_ptr<FileAuthenticator>, std::string> FileAuthenticator::make(
    UserFileSettings settings, FileServices services) {
    std::unique_ptr<FileAuthenticator> out(new FileAuthenticator(std::move(settings), services));
    if (const auto text = out->file_.changed()) {
        if (!*text) return std::unexpected(text->error());
        TRY(out->take(**text));
    }
    return out;
}

std::expected<void, std::string> FileAuthenticator::take(std::string_view text) {
    auto parsed = parse_user_file(text);
    if (!parsed) return std::unexpected(fmt::format("{}, {}", file_.path(), parsed.error()));
    auto users = std::make_shared<Users>();
    users->file = std::move(*parsed);
    for (const auto& problem : users->file.problems)
        services_.events.note(base::Severity::Warning, "", fmt::format("{}, {}", file_.path(), problem));
    for (const auto& [name, user] : users->file.users) {
        if (!hashes(user).empty()) users->with_password.push_back(&user);
        if (user.password.empty() || user.disabled) continue;
        for (const auto hash : scram_hashes) {
            if (kept_verifier(user, hash) || plain_password(user.password))
                users->with_scram[index(hash)].push_back(&user);
            else
                users->scram[index(hash)] = false;
        }
    }
    users_ = std::move(users);
    return {};
}

void FileAuthenticator::refresh() {
    const auto text = file_.changed();
    if (!text) return;
    const auto done = *text ? take(**text) : std::unexpected(text->error());
    if (!done)
        services_.events.note(base::Severity::Warning, "",
                              done.error() + "; the users as they were stay in force");
}

std::vector<std::string> FileAuthenticator::mechanisms() const {
    std::vector<std::string> out;
    if (users_->scram[index(sasl::ScramHash::Sha256)])
        out.insert(out.end(), {"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"});
    if (users_->scram[index(sasl::ScramHash::Sha1)])
        out.insert(out.end(), {"SCRAM-SHA-1-PLUS", "SCRAM-SHA-1"});
    out.insert(out.end(), {"PLAIN", "LOGIN"});
    return out;
}

/// Names are as written; one in lower case is also found by other spellings, one with the local domain
/// without it.
FileAuthenticator::Found FileAuthenticator::find(const Users& users, const std::string& name) const {
    const auto& all = users.file.users;
    std::string spellings[] = {name, base::lower(name), ""};
    if (!settings_.local_domain.empty() && name.find('@') == std::string::npos)
        spellings[2] = base::lower(name + "@" + settings_.local_domain);
    for (const auto& spelling : spellings) {
        const auto found = all.find(spelling);
        if (found != all.end()) return &*found;
    }
    return nullptr;
}

bool FileAuthenticator::is_disabled(const std::string& user) {
    refresh();
    const auto* found = find(*users_, user);
    return found && found->second.disabled;
}

/// Always the same for the same name, however it is spelt.
std::size_t FileAuthenticator::resemblance(const std::string& user, std::size_t among) const {
    const std::string digest =
        sasl::hmac(sasl::ScramHash::Sha256, settings_.secret, "like " + base::lower(user));
    std::size_t number = 0;
    for (std::size_t i = 0; i < sizeof number; ++i)
        number = number << 8 | static_cast<unsigned char>(digest[i]);
    return number % among;
}

env::Task<LoginAnswer> FileAuthenticator::check(std::string user, std::string password, LoginClient) {
    refresh();
    const auto users = users_;
    const auto* found = find(*users, user);
    std::vector<std::string> stored;
    if (found) stored = hashes(found->second);
    const bool can = found && !found->second.disabled && !stored.empty();
    if (stored.empty()) {
        const auto& others = users->with_password;
        if (others.empty())
            stored.emplace_back(decoy);
        else
            stored = hashes(*others[resemblance(user, others.size())]);
    }
    auto compare = [stored = std::move(stored), password = std::move(password)] {
        return any_matches(stored, password);
    };
    const bool matches = co_await services_.workers.run(std::move(compare));
    if (can && matches) co_return login_right(found->first);
    co_return login_wrong(!found                   ? "unknown user"
                          : found->second.disabled ? "the account is disabled"
                                                   : "wrong password");
}

env::Task<VerifierAnswer> FileAuthenticator::verifier(std::string user, sasl::ScramHash hash) {
    refresh();
    const auto users = users_;
    VerifierAnswer out;
    out.shape.iterations = sasl::scram_iterations_new;
    out.shape.salt_octets = salt_octets;
    const auto* found = find(*users, user);
    const bool known = found && !found->second.disabled;
    const bool able = known && (kept_verifier(found->second, hash) || plain_password(found->second.password));
    const auto& others = users->with_scram[index(hash)];
    const User* like = able             ? &found->second
                       : others.empty() ? nullptr
                                        : others[resemblance(user, others.size())];
    if (known) out.user = found->first;
    if (!able)
        out.why = known   ? "the user has no SCRAM verifier: set the password anew"
                  : found ? "the account is disabled"
                          : "unknown user";
    if (!like) co_return out;
    auto verifier = kept_verifier(*like, hash);
    if (!verifier) {  // made of the password; for those who are not there too, so that it takes as long
        const std::string salt =
            sasl::hmac(sasl::ScramHash::Sha256, settings_.secret, "salt " + base::lower(user))
                .substr(0, salt_octets);
        auto make = [hash, salt, password = sasl::prepared_or_same(*plain_password(like->password))] {
            return sasl::make_verifier(hash, password, salt, sasl::scram_iterations_new);
        };
        verifier = co_await services_.workers.run(std::move(make));
    }
    out.shape = {verifier->iterations, verifier->salt.size()};
    if (able) out.verifier = std::move(verifier);
    co_return out;
}

}  // namespace accounts
