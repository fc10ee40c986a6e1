// Which limits an account has (smtpd_account_…_limit, smtpd_account_limit_maps), and the words of a refusal.
// Immutable but for its tables' contents; belongs to one loop.
#pragma once

#include "env/task.hpp"
#include "mail/date.hpp"
#include "mail/status.hpp"
#include "policy/account_limits.hpp"
#include "policy/account_options.hpp"
#include "tables/factory.hpp"

#include <memory>

namespace policy {

class AccountPolicy {
 public:
    static std::expected<std::shared_ptr<const AccountPolicy>, std::string> make(
        const AccountOptions& options, tables::Factory& factory);
    /// Error: a table failed, or holds what is no limit; for the log.
    env::Task<std::expected<AccountRule, std::string>> rule_of(std::string account) const;
    /// "450 4.7.1 Error: too many messages from user ann: 10 per hour are allowed; try again after …".
    mail::ReplyText refusal(const std::string& account, const AccountLimits::Exceeded& exceeded,
                            std::chrono::minutes zone) const;
    static mail::ReplyText blocked(const std::string& account);
    const SurgeRule& surge() const { return surge_; }

 private:
    AccountPolicy() = default;
    AccountRule rule_;
    SurgeRule surge_;
    tables::TableList tables_;
    int reject_code_ = 450;
};

}  // namespace policy
