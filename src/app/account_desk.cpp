#include "app/account_desk.hpp"

#include "base/text.hpp"
#include "env/store_pages.hpp"
#include "mail/path.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace app {
namespace {

using nlohmann::json;

constexpr std::string_view prefix = "accounts/";      // in Keyspace::Meta; behind it the account
constexpr std::string_view prefix_end = "accounts0";  // the first key behind all of them
constexpr std::size_t page = 1000;

json to_json(const policy::AccountLimits::Usage& usage) {
    json out = json::object();
    out["account"] = usage.account;
    out["messages_hour"] = usage.message_hour;
    out["messages_day"] = usage.message_day;
    out["recipients_hour"] = usage.recipient_hour;
    out["recipients_day"] = usage.recipient_day;
    out["recipients_today"] = usage.today;
    out["recipients_usual_day"] = std::llround(usage.usual_day);
    out["conspicuous"] = usage.conspicuous;
    return out;
}

struct Notice {
    std::string host_name, to, account, client, id;
    policy::AccountLimits::Usage usage;
    mail::TimePoint now;
    std::chrono::minutes zone;
    std::string message_id() const { return fmt::format("<{}.account@{}>", id, host_name); }
};

/// Login names are text of the world: whoever reads the mail sees them printable.
std::string compose(const Notice& notice) {
    const std::string account = base::printable(notice.account, 255);
    return fmt::format(
        "Date: {}\r\nFrom: Mail Delivery System <MAILER-DAEMON@{}>\r\nTo: <{}>\r\n"
        "Message-ID: {}\r\nSubject: Account {} suddenly sends much mail\r\n"
        "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=us-ascii\r\n\r\n"
        "The account {}\r\nhas sent mail to {} recipients since midnight UTC. On a usual day it sends to "
        "about {:.0f}.\r\n\r\n"
        "In the last hour: {} messages to {} recipients.\r\nThe last one came from {}.\r\n\r\n"
        "If this is not meant, somebody else may know the password. Then\r\n\r\n"
        "    postrider user disable {}       stops logins at once\r\n"
        "    postrider queue hold --sender {}    keeps what is queued from going out\r\n"
        "    postrider user passwd {}        sets a new password before you enable it again\r\n\r\n"
        "If it is meant, nothing need be done: what is usual is learned within days. Limits of one\r\n"
        "account stand in smtpd_account_limit_maps, and for all in smtpd_account_recipient_day_limit\r\n"
        "and its like. \"postrider accounts\" shows what each account sends.\r\n\r\n"
        "This is said at most once a day for each account.\r\n",
        mail::format_date(notice.now, notice.zone), notice.host_name, notice.to, notice.message_id(),
        base::printable(notice.account, 60), account, notice.usage.today, notice.usage.usual_day,
        notice.usage.message_hour, notice.usage.recipient_hour, base::printable(notice.client, 300), account,
        account, account);
}

}  // namespace

struct AccountDesk::State {
    LoopEnvironment environment;
    policy::AccountLimits& limits;
    queue::Intake& intake;
    queue::ExpandEnvelope expand;
    policy::AccountOptions options{};
    std::string host_name{}, mail_name{};
    bool stopping = false;
    std::uint64_t now() const { return env::unix_time(environment.loop.clock().wall()); }
    void warn(std::string text) {
        environment.events.note(base::Severity::Warning, "accounts", std::move(text));
    }
};

AccountDesk::AccountDesk(LoopEnvironment environment, policy::AccountLimits& limits, queue::Intake& intake,
                         queue::ExpandEnvelope expand)
    : state_(std::make_shared<State>(State{environment, limits, intake, std::move(expand)})) {}

std::expected<void, std::string> AccountDesk::use(const Site& site) {
    config::Diagnostics diagnostics;
    const auto& configuration = *site.configuration;
    auto options = config::bind<policy::AccountOptions>(configuration, diagnostics);
    if (!options.notice_recipient.empty() && options.notice_recipient.find('@') == std::string::npos)
        options.notice_recipient += "@" + configuration.get("myorigin");
    if (!options.notice_recipient.empty() && !mail::parse_mailbox(options.notice_recipient))
        return std::unexpected(fmt::format("smtpd_account_surge_notice_recipient: '{}' is no address",
                                           base::printable(options.notice_recipient, 100)));
    state_->options = std::move(options);
    state_->host_name = configuration.get("myhostname");
    state_->mail_name = configuration.get("mail_name");
    state_->limits.limit_accounts(state_->options.accounts_max);
    return {};
}

env::Task<bool> AccountDesk::load() {
    const auto state = state_;
    env::StorePages pages(state->environment.store, env::Keyspace::Meta, std::string(prefix),
                          std::string(prefix_end), page);
    env::Batch old;
    while (pages.more()) {
        auto entries = co_await pages.next();
        if (!entries) co_return false;
        for (const auto& entry : *entries)
            if (!state->limits.restore(entry.key.substr(prefix.size()), entry.value, state->now()))
                old.erase(env::Keyspace::Meta, entry.key);
    }
    if (old.empty()) co_return true;
    auto erased = co_await state->environment.store.commit(std::move(old), env::Durability::Buffered);
    co_return erased.has_value();
}

void AccountDesk::start() { state_->environment.loop.spawn(work(state_)); }

/// What has changed since, a page at a time. False: the store failed; the counts of one page are as they
/// were before on disk until they change again.
env::Task<bool> AccountDesk::write_down(std::shared_ptr<State> state, env::Durability durability) {
    for (;;) {
        const auto changed = state->limits.take_changed(page);
        if (changed.empty()) co_return true;
        env::Batch batch;
        for (const auto& [account, record] : changed) {
            std::string key = std::string(prefix) + account;
            if (record.empty())
                batch.erase(env::Keyspace::Meta, std::move(key));
            else
                batch.put(env::Keyspace::Meta, std::move(key), record);
        }
        auto done = co_await state->environment.store.commit(std::move(batch), durability);
        if (!done) co_return false;
    }
}

env::Task<void> AccountDesk::work(std::shared_ptr<State> state) {
    constexpr auto interval = std::chrono::seconds(1);  // what a crash forgets at most
    while (!state->stopping) {
        co_await state->environment.loop.sleep(interval);
        if (!state->stopping) co_await write_down(state, env::Durability::Buffered);
    }
}

env::Task<void> AccountDesk::stop() {
    const auto state = state_;
    state->stopping = true;
    const bool written = co_await write_down(state, env::Durability::Synced);
    if (!written) state->warn("the counts of accounts could not be written");
}

void AccountDesk::conspicuous(std::string account, std::string client) {
    if (state_->stopping || state_->options.notice_recipient.empty()) return;
    state_->environment.loop.spawn(tell_postmaster(state_, std::move(account), std::move(client)));
}

env::Task<void> AccountDesk::tell_postmaster(std::shared_ptr<State> state, std::string account,
                                             std::string client) {
    auto incoming = state->intake.begin();
    if (!incoming) {
        state->warn("the postmaster cannot be told of account " + base::printable(account, 255));
        co_return;
    }
    const std::string id = (*incoming)->id().text();
    Notice notice{state->host_name,
                  state->options.notice_recipient,
                  account,
                  std::move(client),
                  id,
                  state->limits.usage_of(account, state->now()).value_or(policy::AccountLimits::Usage{}),
                  state->environment.loop.clock().wall(),
                  {}};
    notice.zone = state->environment.loop.clock().zone_offset(notice.now);
    queue::OwnMail own{{"accounts", state->host_name, state->mail_name},
                       *mail::parse_mailbox(notice.to),
                       notice.now,
                       notice.zone,
                       notice.message_id(),
                       compose(notice)};
    const bool queued = co_await queue::queue_own_mail(std::move(*incoming), std::move(own), state->expand,
                                                       state->environment.events);
    if (queued)
        state->environment.events.note(
            base::Severity::Info, "accounts",
            fmt::format("{}: notice about account {} to {}", id, base::printable(account, 255), notice.to));
    else
        state->warn("the postmaster could not be told of account " + base::printable(account, 255));
}

env::Task<std::string> AccountDesk::list(std::shared_ptr<State> state, std::string account,
                                         server::ControlReply& reply) {
    auto all = state->limits.usage(state->now());
    if (!account.empty()) {
        auto one = state->limits.usage_of(account, state->now());
        if (!one) co_return fmt::format("account {} has sent nothing", account);
        all = {std::move(*one)};
    }
    for (const auto& usage : all) {
        json line = to_json(usage);
        const bool wanted = co_await reply.line(std::move(line));
        if (!wanted) break;
    }
    co_return std::string{};
}

std::vector<std::string> AccountDesk::problems() const {
    constexpr std::size_t said_max = 20;
    std::vector<std::string> out;
    for (const auto& usage : state_->limits.usage(state_->now()))
        if (usage.conspicuous && out.size() < said_max)
            out.push_back(fmt::format("account {} has sent to {} recipients today, on a usual day to {:.0f}",
                                      base::printable(usage.account, 255), usage.today, usage.usual_day));
    return out;
}

void AccountDesk::add_control_handlers(server::ControlServer& control) {
    control.add("accounts", [state = state_](json request, server::ControlReply& reply) {
        return list(state, request.value("account", ""), reply);
    });
}

}  // namespace app
