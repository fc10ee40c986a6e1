// How much an account that logged in may send: messages and recipients per hour and per day; and whether it
// suddenly sends far more than it used to. What is accepted is set aside first (several connections may send
// at once) and counted when the message is ours. Shared by all loops: it has a mutex. Memory is bounded: an
// account takes about 400 octets, and beyond a number of accounts those that sent longest ago are forgotten.
// It does no I/O: app/account_desk.hpp writes down what has changed. Times are Unix times.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace policy {

/// 0: no limit.
struct AccountRule {
    std::uint32_t message_hour = 0, message_day = 0, recipient_hour = 0, recipient_day = 0;
    bool blocked = false;  // may send nothing
    auto operator<=>(const AccountRule&) const = default;
};
/// The value of smtpd_account_limit_maps: "message_hour=50 recipient_day=2000", "unlimited", "blocked". What
/// is not named is as in `otherwise`. Error: a sentence.
std::expected<AccountRule, std::string> parse_account_rule(std::string_view text, AccountRule otherwise);

/// When sending is conspicuous: more than `factor` times the usual day and more than `minimum` recipients.
struct SurgeRule {
    std::uint32_t factor = 10, minimum = 500, days = 14;
};

/// A count over the last hour or day, in slots: what is older than a slot more than the period is forgotten.
template <std::size_t Slots, std::uint64_t SlotSeconds>
class SlidingCount {
 public:
    void add(std::uint32_t count, std::uint64_t now) {
        advance(now);
        slots_[newest_ % Slots] += count;
    }
    std::uint64_t total(std::uint64_t now) const {
        std::uint64_t out = 0;
        for (std::size_t i = 0; i < Slots; ++i)
            if (is_recent(newest_ - i, now)) out += slots_[(newest_ - i) % Slots];
        return out;
    }
    /// The first moment when the total has fallen below `limit`, if nothing more is added.
    std::uint64_t below(std::uint32_t limit, std::uint64_t now) const {
        std::uint64_t left = total(now);
        std::uint64_t at = now;
        for (std::size_t age = Slots; age-- > 0 && left >= limit;) {
            const std::uint64_t slot = newest_ - age;
            if (!is_recent(slot, now)) continue;
            left -= slots_[slot % Slots];
            at = (slot + Slots) * SlotSeconds;
        }
        return at;
    }
    /// For the record: (slot number, count) of all that is not zero, oldest first.
    std::vector<std::pair<std::uint64_t, std::uint32_t>> filled() const {
        std::vector<std::pair<std::uint64_t, std::uint32_t>> out;
        for (std::size_t age = Slots; age-- > 0;)
            if (const auto count = slots_[(newest_ - age) % Slots]; count > 0)
                out.emplace_back(newest_ - age, count);
        return out;
    }
    static constexpr std::uint64_t slot_seconds = SlotSeconds, span_seconds = Slots * SlotSeconds;

 private:
    bool is_recent(std::uint64_t slot, std::uint64_t now) const { return slot + Slots > now / SlotSeconds; }
    // A clock that was set back counts into the newest slot: nothing is forgotten early.
    void advance(std::uint64_t now) {
        const std::uint64_t slot = now / SlotSeconds;
        if (slot > newest_ + Slots) newest_ = slot - Slots;
        while (newest_ < slot) slots_[++newest_ % Slots] = 0;
    }
    std::uint64_t newest_ = Slots;
    std::array<std::uint32_t, Slots> slots_{};
};

class AccountLimits {
 public:
    enum class Unit { Message, Recipient };
    enum class Period { Hour, Day };
    struct Exceeded {
        Unit unit;
        Period period;
        std::uint32_t limit;
        std::uint64_t free_at;  // when one more is allowed again
    };
    /// Sets one message or recipient aside for `account`, or says which limit stands against it.
    std::optional<Exceeded> reserve(const std::string& account, Unit unit, const AccountRule& rule,
                                    std::uint64_t now);
    /// Gives back what was set aside and not sent.
    void release(const std::string& account, std::uint32_t messages, std::uint32_t recipients);
    /// A message is ours: what was set aside for it is counted. True: with it the account became conspicuous
    /// (at most once a day).
    bool settle(const std::string& account, std::uint32_t recipients, const SurgeRule& rule,
                std::uint64_t now);

    struct Usage {
        std::string account;
        std::uint64_t message_hour = 0, message_day = 0, recipient_hour = 0, recipient_day = 0;
        std::uint64_t today = 0;  // recipients since midnight UTC
        double usual_day = 0;     // recipients
        bool conspicuous = false;
    };
    /// Accounts that sent in the last 24 hours, in alphabetical order.
    std::vector<Usage> usage(std::uint64_t now) const;
    std::optional<Usage> usage_of(const std::string& account, std::uint64_t now) const;

    /// Up to `max` accounts that have changed since, each with its record; value "": it was forgotten.
    std::vector<std::pair<std::string, std::string>> take_changed(std::size_t max);
    /// A record of take_changed(). False: it is none, or too old to matter.
    bool restore(const std::string& account, std::string_view record, std::uint64_t now);
    void limit_accounts(std::size_t accounts_max);

 private:
    // One slot more than the period holds: no hour and no day sees more than its limit.
    using Hour = SlidingCount<13, 300>;
    using Day = SlidingCount<25, 3600>;
    struct Account {
        Hour message_hour, recipient_hour;
        Day message_day, recipient_day;
        std::uint32_t pending_messages = 0, pending_recipients = 0;
        std::uint64_t day = 0;           // number since 1970 of the day that `today` counts
        std::uint64_t today = 0;         // recipients
        std::uint64_t conspicuous = 0;   // the day on which it was last said
        double mean = 0;                 // recipients a day, before `day`
        std::uint32_t days_learned = 0;  // that went into `mean`
        std::uint64_t last = 0;
    };
    static void begin_day(Account& account, std::uint64_t day, std::uint32_t days);
    static std::string record_of(const Account& account);
    Usage describe(const std::string& name, const Account& account, std::uint64_t now) const;
    Account& account(const std::string& name);
    void forget_oldest();

    mutable std::mutex mutex_;
    std::map<std::string, Account> accounts_;  // by name in lower case
    std::set<std::string> changed_;
    std::size_t accounts_max_ = 100000;
};

/// What one transaction has set aside; given back when it is destroyed without settle().
class AccountTicket {
 public:
    AccountTicket(AccountLimits& limits, std::string account, AccountRule rule)
        : limits_(limits), account_(std::move(account)), rule_(rule) {}
    ~AccountTicket();
    AccountTicket(const AccountTicket&) = delete;
    AccountTicket& operator=(const AccountTicket&) = delete;
    std::optional<AccountLimits::Exceeded> reserve(AccountLimits::Unit unit, std::uint64_t now);
    bool settle(const SurgeRule& rule, std::uint64_t now);
    const std::string& account() const { return account_; }

 private:
    AccountLimits& limits_;
    std::string account_;
    AccountRule rule_;
    std::uint32_t messages_ = 0, recipients_ = 0;
};

}  // namespace policy
