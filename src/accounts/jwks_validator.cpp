#include "accounts/jwks_validator.hpp"

#include "base/result.hpp"

#include <fmt/format.h>

namespace accounts {

std::expected<std::unique_ptr<JwksValidator>, std::string> JwksValidator::make(std::string path,
                                                                               TokenRules rules,
                                                                               FileServices services) {
    std::unique_ptr<JwksValidator> out(new JwksValidator(std::move(path), std::move(rules), services));
    if (const auto text = out->file_.changed()) TRY(out->take(*text));
    return out;
}

std::expected<void, std::string> JwksValidator::take(const std::expected<std::string, std::string>& text) {
    if (!text) return std::unexpected(text.error());
    auto keys = KeySet::parse(*text);
    if (!keys) return std::unexpected(fmt::format("{}: {}", file_.path(), keys.error()));
    keys_ = std::make_shared<const KeySet>(std::move(*keys));
    return {};
}

env::Task<LoginAnswer> JwksValidator::check(std::string token, std::string user) {
    if (const auto text = file_.changed()) {
        const auto done = take(*text);
        if (!done)
            services_.events.note(base::Severity::Warning, "",
                                  done.error() + "; the keys as they were stay in force");
    }
    auto verify = [keys = keys_, token = std::move(token)] { return keys->verified_claims(token); };
    const auto claims = co_await services_.workers.run(std::move(verify));
    if (!claims) co_return login_wrong(claims.error());
    const auto now =
        std::chrono::duration_cast<std::chrono::seconds>(services_.clock.wall().time_since_epoch());
    co_return judge_claims(*claims, rules_, user, now.count());
}

}  // namespace accounts
