#include "policy/account_policy.hpp"

#include "base/text.hpp"

#include <fmt/format.h>

namespace policy {

std::expected<std::shared_ptr<const AccountPolicy>, std::string> AccountPolicy::make(
    const AccountOptions& options, tables::Factory& factory) {
    std::shared_ptr<AccountPolicy> out(new AccountPolicy);
    out->rule_ = {options.message_hour, options.message_day, options.recipient_hour, options.recipient_day};
    out->surge_ = {options.surge_factor, options.surge_minimum, options.surge_days};
    out->reject_code_ = static_cast<int>(options.reject_code);
    auto tables = factory.open_list(options.maps);
    if (!tables) return std::unexpected("smtpd_account_limit_maps: " + tables.error().text);
    out->tables_ = std::move(*tables);
    return out;
}

env::Task<std::expected<AccountRule, std::string>> AccountPolicy::rule_of(std::string account) const {
    if (tables_.empty()) co_return rule_;
    auto found = co_await tables_.lookup(account);
    const auto at = account.rfind('@');
    if (found && !*found && at != std::string::npos) {
        const std::string domain = account.substr(at);
        found = co_await tables_.lookup(domain);
    }
    if (!found) co_return std::unexpected(found.error().text);
    if (!*found) co_return rule_;
    auto rule = parse_account_rule(**found, rule_);
    if (!rule)
        co_return std::unexpected(
            fmt::format("smtpd_account_limit_maps: {}: {}", base::printable(account, 255), rule.error()));
    co_return *rule;
}

mail::ReplyText AccountPolicy::refusal(const std::string& account, const AccountLimits::Exceeded& exceeded,
                                       std::chrono::minutes zone) const {
    const auto free_at = mail::TimePoint(std::chrono::seconds(exceeded.free_at));
    return {reject_code_,
            {static_cast<std::uint16_t>(reject_code_ / 100), 7, 1},
            fmt::format("Error: too many {} from user {}: {} per {} are allowed; try again after {}",
                        exceeded.unit == AccountLimits::Unit::Message ? "messages" : "recipients",
                        base::printable(account, 255), exceeded.limit,
                        exceeded.period == AccountLimits::Period::Hour ? "hour" : "day",
                        mail::format_date(free_at, zone))};
}

mail::ReplyText AccountPolicy::blocked(const std::string& account) {
    return {550, {5, 7, 1}, fmt::format("Error: user {} may not send mail", base::printable(account, 255))};
}

}  // namespace policy
