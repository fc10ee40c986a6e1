// Users from a user file (user_file.hpp), read anew when it changes. Unknown users cost as much time as known
// ones.
#pragma once

#include "accounts/authenticator.hpp"
#include "accounts/user_file.hpp"
#include "base/event.hpp"
#include "env/clock.hpp"
#include "env/file_system.hpp"
#include "env/workers.hpp"

#include <expected>
#include <memory>

namespace accounts {

class FileAuthenticator : public Authenticator {
 public:
    struct Services {
        env::FileSystem& files;
        env::Workers& workers;
        env::Clock& clock;
        base::EventSink& events;
    };
    /// A file that is not there has no users (yet); one that cannot be read is an error.
    static std::expected<std::unique_ptr<FileAuthenticator>, std::string> make(std::string path,
                                                                               Services services);
    env::Task<LoginAnswer> check(std::string user, std::string password, LoginClient client) override;
    env::Task<std::optional<sasl::ScramVerifier>> verifier(std::string user, sasl::ScramHash hash) override;
    std::vector<std::string> mechanisms() const override { return {"SCRAM-SHA-256", "PLAIN", "LOGIN"}; }

 private:
    FileAuthenticator(std::string path, Services services) : path_(std::move(path)), services_(services) {}
    std::expected<void, std::string> read();
    void refresh();

    std::string path_;
    Services services_;
    std::shared_ptr<const UserFile> file_ = std::make_shared<UserFile>();
    std::optional<env::FileStat> known_;
    env::SteadyTime looked_{};
};

}  // namespace accounts
