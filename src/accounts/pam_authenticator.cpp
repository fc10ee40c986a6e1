#include "accounts/pam_authenticator.hpp"

#include "base/text.hpp"

#include <algorithm>

namespace accounts {

bool is_pam_service_name(std::string_view name) {
    constexpr std::size_t octets_max = 64;
    return !name.empty() && name.size() <= octets_max &&
           std::ranges::all_of(name, [](char c) { return base::is_alnum(c) || c == '-' || c == '_'; });
}

env::Task<LoginAnswer> PamAuthenticator::check(std::string user, std::string password, LoginClient client) {
    if (!pam_) co_return login_unknown("PAM cannot be asked here");
    if (under_way_ >= settings_.concurrency_max) co_return login_unknown("PAM is busy with other logins");
    PamQuestion question{settings_.service, std::move(user), std::move(password), std::move(client.address),
                         settings_.time_limit};
    ++under_way_;
    LoginAnswer answer = co_await pam_->ask(std::move(question));
    --under_way_;
    co_return answer;
}

}  // namespace accounts
