// Users from a user file (user_file.hpp), read anew when it changes. Unknown users look as known ones do and
// cost as much time: they are measured against some user's hashes, and their SCRAM verifier has some user's
// shape.
#pragma once

#include "accounts/authenticator.hpp"
#include "accounts/user_file.hpp"
#include "accounts/watched_file.hpp"

#include <expected>
#include <memory>

namespace accounts {

struct UserFileSettings {
    std::string path;
    std::string local_domain;  // smtpd_sasl_local_domain: also tried behind a name without one
    std::string secret;        // which user an unknown one resembles is computed from it
};

class FileAuthenticator : public Authenticator {
 public:
    /// A file that is not there has no users (yet); one that cannot be read is an error.
    static std::expected<std::unique_ptr<FileAuthenticator>, std::string> make(UserFileSettings settings,
                                                                               FileServices services);
    env::Task<LoginAnswer> check(std::string user, std::string password, LoginClient client) override;
    env::Task<VerifierAnswer> verifier(std::string user, sasl::ScramHash hash) override;
    /// SCRAM where every user who has a password can do it: a client that is offered it would not try
    /// another.
    std::vector<std::string> mechanisms() const override;
    bool is_disabled(const std::string& user) override;

 private:
    /// What is computed once when the file is read.
    struct Users {
        UserFile file;
        std::vector<const User*> with_password;  // whom unknown users resemble
        std::vector<const User*> with_scram[2];  // the same, by ScramHash
        bool scram[2] = {true, true};            // all who have a password can do it
    };
    using Found = const std::pair<const std::string, User>*;

    FileAuthenticator(UserFileSettings settings, FileServices services);
    std::expected<void, std::string> take(std::string_view text);
    void refresh();
    std::size_t resemblance(const std::string& user, std::size_t among) const;
    Found find(const Users& users, const std::string& name) const;

    UserFileSettings settings_;
    FileServices services_;
    WatchedFile file_;
    std::shared_ptr<const Users> users_ = std::make_shared<Users>();
};

}  // namespace accounts
