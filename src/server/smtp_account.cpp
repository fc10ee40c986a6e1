// SmtpConnection: what the account that logged in may do: how much it may send, and in whose name.
#include "base/text.hpp"
#include "server/smtp_connection.hpp"

#include <fmt/format.h>

namespace server {
namespace {

policy::Verdict refusal_verdict(mail::ReplyText reply) {
    policy::Verdict out;
    out.kind = policy::Verdict::Kind::Refuse;
    out.reply = std::move(reply);
    return out;
}

}  // namespace

/// A message or a recipient that the restrictions let through is set aside in the account's limits.
env::Task<policy::Verdict> SmtpConnection::judge_account(smtp::Stage stage, policy::Verdict verdict) {
    using Unit = policy::AccountLimits::Unit;
    const std::string user = session_.user();
    if (stage == smtp::Stage::Mail) {
        account_.reset();
        auto rule = co_await service_->accounts->rule_of(user);
        if (!rule) {
            note(base::Severity::Warning, rule.error());
            co_return refusal_verdict({451, {4, 3, 0}, "Temporary lookup failure"});
        }
        if (rule->blocked) co_return refusal_verdict(policy::AccountPolicy::blocked(user));
        account_ = std::make_unique<policy::AccountTicket>(services_.accounts, user, *rule);
    }
    if (!account_) co_return verdict;
    const auto now = services_.loop.clock().wall();
    const auto exceeded =
        account_->reserve(stage == smtp::Stage::Mail ? Unit::Message : Unit::Recipient, env::unix_time(now));
    if (!exceeded) co_return verdict;
    co_return refusal_verdict(
        service_->accounts->refusal(user, *exceeded, services_.loop.clock().zone_offset(now)));
}

/// Whose the addresses in From: and Sender: are.
env::Task<policy::Verdict> SmtpConnection::judge_authors(policy::Verdict verdict) {
    using Action = policy::AuthorCheck;
    if (service_->author_check == Action::None || !content_ || !service_->sender_logins->active())
        co_return verdict;
    auto authors = content_->authors;
    // What cannot be read must not pass unseen.
    if (content_->author_reader && content_->author_reader->unreadable()) authors.emplace_back();
    auto wrong = co_await service_->sender_logins->judge_authors(std::move(authors), session_.user());
    if (!wrong) co_return verdict;
    if (service_->author_check == Action::Reject) co_return refusal_verdict(std::move(*wrong));
    note(base::Severity::Warning,
         fmt::format("{}: from {}: {}", message_ ? message_->id().text() : "NOQUEUE", who(), wrong->text));
    co_return verdict;
}

void SmtpConnection::settle_account() {
    if (!account_) return;
    const auto now = env::unix_time(services_.loop.clock().wall());
    const bool conspicuous = account_->settle(service_->accounts->surge(), now);
    const std::string user = account_->account();
    account_.reset();
    if (!conspicuous) return;
    const auto usage = services_.accounts.usage_of(user, now);
    note(base::Severity::Warning,
         fmt::format("account {} has sent to {} recipients today, on a usual day to {:.0f}; now from {}",
                     base::printable(user, 255), usage ? usage->today : 0, usage ? usage->usual_day : 0,
                     who()));
    if (services_.conspicuous) services_.conspicuous(user, who());
}

}  // namespace server
