// Bearer tokens that are JWTs, checked here with the keys of a file (smtpd_oauth_validator = jwks:/path),
// which is read anew when it changes. Belongs to one loop.
#pragma once

#include "accounts/json_web_token.hpp"
#include "accounts/token_claims.hpp"
#include "accounts/watched_file.hpp"

#include <memory>

namespace accounts {

class JwksValidator : public TokenValidator {
 public:
    static std::expected<std::unique_ptr<JwksValidator>, std::string> make(std::string path, TokenRules rules,
                                                                           FileServices services);
    env::Task<LoginAnswer> check(std::string token, std::string user) override;

 private:
    JwksValidator(std::string path, TokenRules rules, FileServices services)
        : rules_(std::move(rules)), services_(services), file_(std::move(path), services) {}
    std::expected<void, std::string> take(const std::expected<std::string, std::string>& text);

    TokenRules rules_;
    FileServices services_;
    WatchedFile file_;
    std::shared_ptr<const KeySet> keys_;
};

}  // namespace accounts
