#include "policy/account_limits.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace policy {
namespace {

constexpr std::uint64_t day_seconds = 86400;

template <class Count>
std::string slots_text(const Count& count) {
    std::vector<std::string> words;
    for (const auto& [slot, number] : count.filled()) words.push_back(fmt::format("{}:{}", slot, number));
    return words.empty() ? "-" : fmt::format("{}", fmt::join(words, ","));
}

template <class Count>
bool read_slots(std::string_view text, Count& count) {
    if (text == "-") return true;
    for (const auto word : base::split(text, ',')) {
        const auto colon = word.find(':');
        if (colon == std::string_view::npos) return false;
        const auto slot = base::parse_number(word.substr(0, colon), UINT64_MAX / Count::slot_seconds - 100);
        const auto number = base::parse_number(word.substr(colon + 1), UINT32_MAX);
        if (!slot || !number) return false;
        count.add(static_cast<std::uint32_t>(*number), *slot * Count::slot_seconds);
    }
    return true;
}

}  // namespace

std::expected<AccountRule, std::string> parse_account_rule(std::string_view text, AccountRule otherwise) {
    AccountRule out = otherwise;
    const auto words = base::split_any(text, ", \t\r\n");
    if (words.empty()) return std::unexpected("there is no limit in it");
    if (words.size() == 1 && base::iequals(words[0], "unlimited")) return AccountRule{};
    if (words.size() == 1 && base::iequals(words[0], "blocked")) {
        out.blocked = true;
        return out;
    }
    for (const auto word : words) {
        const auto equals = std::min(word.find('='), word.size());
        const auto name = word.substr(0, equals);
        std::uint32_t* field = base::iequals(name, "message_hour")     ? &out.message_hour
                               : base::iequals(name, "message_day")    ? &out.message_day
                               : base::iequals(name, "recipient_hour") ? &out.recipient_hour
                               : base::iequals(name, "recipient_day")  ? &out.recipient_day
                                                                       : nullptr;
        const auto number =
            equals < word.size() ? base::parse_number(word.substr(equals + 1), UINT32_MAX) : std::nullopt;
        if (!field || !number)
            return std::unexpected(
                fmt::format("'{}' is no limit; write message_hour=N, message_day=N, recipient_hour=N, "
                            "recipient_day=N, unlimited or blocked",
                            base::printable(word, 60)));
        *field = static_cast<std::uint32_t>(*number);
    }
    return out;
}

void AccountLimits::forget_oldest() {
    constexpr std::size_t part = 10;  // of all: so that it is seldom done
    std::vector<std::pair<std::uint64_t, std::string>> idle;
    for (const auto& [name, account] : accounts_)
        if (account.pending_messages == 0) idle.emplace_back(account.last, name);
    const auto count = std::min(idle.size(), accounts_.size() / part + 1);
    std::nth_element(idle.begin(), idle.begin() + static_cast<std::ptrdiff_t>(count) - (count > 0 ? 1 : 0),
                     idle.end());
    for (std::size_t i = 0; i < count; ++i) {
        accounts_.erase(idle[i].second);
        changed_.insert(idle[i].second);
    }
}

AccountLimits::Account& AccountLimits::account(const std::string& name) {
    std::string key = base::lower(name);
    const auto found = accounts_.find(key);
    if (found != accounts_.end()) return found->second;
    if (accounts_.size() >= accounts_max_) forget_oldest();
    return accounts_[std::move(key)];
}

void AccountLimits::limit_accounts(std::size_t accounts_max) {
    const std::lock_guard lock(mutex_);
    accounts_max_ = accounts_max;
    while (accounts_.size() > accounts_max_) {
        const auto before = accounts_.size();
        forget_oldest();
        if (accounts_.size() == before) return;  // all of them are sending now
    }
}

std::optional<AccountLimits::Exceeded> AccountLimits::reserve(const std::string& name, Unit unit,
                                                              const AccountRule& rule, std::uint64_t now) {
    const std::lock_guard lock(mutex_);
    Account& one = account(name);
    const bool message = unit == Unit::Message;
    std::uint32_t& pending = message ? one.pending_messages : one.pending_recipients;
    const auto check = [&](const auto& count, std::uint32_t limit, Period period) -> std::optional<Exceeded> {
        if (limit == 0 || count.total(now) + pending < limit) return std::nullopt;
        // As if what is set aside were sent now.
        const auto free_at = pending < limit ? count.below(limit - pending, now) : now + count.span_seconds;
        return Exceeded{unit, period, limit, free_at};
    };
    const auto day = message ? check(one.message_day, rule.message_day, Period::Day)
                             : check(one.recipient_day, rule.recipient_day, Period::Day);
    if (day) return day;
    const auto hour = message ? check(one.message_hour, rule.message_hour, Period::Hour)
                              : check(one.recipient_hour, rule.recipient_hour, Period::Hour);
    if (hour) return hour;
    ++pending;
    one.last = std::max(one.last, now);
    return std::nullopt;
}

void AccountLimits::release(const std::string& name, std::uint32_t messages, std::uint32_t recipients) {
    const std::lock_guard lock(mutex_);
    const auto found = accounts_.find(base::lower(name));
    if (found == accounts_.end()) return;
    Account& one = found->second;
    one.pending_messages -= std::min(messages, one.pending_messages);
    one.pending_recipients -= std::min(recipients, one.pending_recipients);
}

/// What the days since have been goes into the mean; the first days weigh as much as each other.
void AccountLimits::begin_day(Account& account, std::uint64_t day, std::uint32_t days) {
    if (account.day == 0) account.day = day;
    constexpr std::uint64_t empty_days_max = 400;
    std::uint64_t passed = day > account.day ? std::min(day - account.day, empty_days_max) : 0;
    for (; passed > 0; --passed) {
        account.days_learned = std::min(account.days_learned + 1, days);
        const double weight = std::max(2.0 / (days + 1), 1.0 / account.days_learned);
        account.mean += (static_cast<double>(account.today) - account.mean) * weight;
        account.today = 0;
    }
    account.day = std::max(account.day, day);
}

bool AccountLimits::settle(const std::string& name, std::uint32_t recipients, const SurgeRule& rule,
                           std::uint64_t now) {
    const std::lock_guard lock(mutex_);
    Account& one = account(name);
    one.pending_messages -= std::min(1U, one.pending_messages);
    one.pending_recipients -= std::min(recipients, one.pending_recipients);
    one.message_hour.add(1, now);
    one.message_day.add(1, now);
    one.recipient_hour.add(recipients, now);
    one.recipient_day.add(recipients, now);
    begin_day(one, now / day_seconds, rule.days);
    one.today += recipients;
    one.last = std::max(one.last, now);
    changed_.insert(base::lower(name));
    const double usual_max = std::max<double>(rule.minimum, one.mean * rule.factor);
    if (rule.factor == 0 || one.conspicuous == one.day || static_cast<double>(one.today) <= usual_max)
        return false;
    one.conspicuous = one.day;
    return true;
}

AccountLimits::Usage AccountLimits::describe(const std::string& name, const Account& one,
                                             std::uint64_t now) const {
    const bool same_day = one.day == now / day_seconds;
    return {name,
            one.message_hour.total(now),
            one.message_day.total(now),
            one.recipient_hour.total(now),
            one.recipient_day.total(now),
            same_day ? one.today : 0,
            one.mean,
            same_day && one.conspicuous == one.day};
}

std::vector<AccountLimits::Usage> AccountLimits::usage(std::uint64_t now) const {
    const std::lock_guard lock(mutex_);
    std::vector<Usage> out;
    for (const auto& [name, one] : accounts_)
        if (one.message_day.total(now) > 0) out.push_back(describe(name, one, now));
    return out;
}

std::optional<AccountLimits::Usage> AccountLimits::usage_of(const std::string& name,
                                                            std::uint64_t now) const {
    const std::lock_guard lock(mutex_);
    const auto found = accounts_.find(base::lower(name));
    if (found == accounts_.end()) return std::nullopt;
    return describe(found->first, found->second, now);
}

// "1 <day> <today> <conspicuous> <mean> <days> <last> <message_hour> <message_day> <recipient_hour>
// <recipient_day>"
std::string AccountLimits::record_of(const Account& one) {
    return fmt::format("1 {} {} {} {} {} {} {} {} {} {}", one.day, one.today, one.conspicuous,
                       std::llround(one.mean * 1000), one.days_learned, one.last,
                       slots_text(one.message_hour), slots_text(one.message_day),
                       slots_text(one.recipient_hour), slots_text(one.recipient_day));
}

std::vector<std::pair<std::string, std::string>> AccountLimits::take_changed(std::size_t max) {
    const std::lock_guard lock(mutex_);
    std::vector<std::pair<std::string, std::string>> out;
    while (!changed_.empty() && out.size() < max) {
        const auto name = changed_.extract(changed_.begin()).value();
        const auto found = accounts_.find(name);
        out.emplace_back(name, found == accounts_.end() ? "" : record_of(found->second));
    }
    return out;
}

bool AccountLimits::restore(const std::string& name, std::string_view record, std::uint64_t now) {
    constexpr std::uint64_t remembered_days = 90;
    constexpr std::size_t numbers = 6, words_wanted = 11;
    const auto words = base::split(record, ' ');
    if (words.size() != words_wanted || words[0] != "1") return false;
    std::uint64_t number[numbers] = {};
    for (std::size_t i = 0; i < numbers; ++i) {
        const auto read = base::parse_number(words[i + 1]);
        if (!read) return false;
        number[i] = *read;
    }
    Account one;
    one.day = number[0];
    one.today = number[1];
    one.conspicuous = number[2];
    one.mean = static_cast<double>(number[3]) / 1000;
    one.days_learned = static_cast<std::uint32_t>(std::min<std::uint64_t>(number[4], 365));
    one.last = number[5];
    if (one.last + remembered_days * day_seconds < now) return false;
    if (!read_slots(words[7], one.message_hour) || !read_slots(words[8], one.message_day) ||
        !read_slots(words[9], one.recipient_hour) || !read_slots(words[10], one.recipient_day))
        return false;
    const std::lock_guard lock(mutex_);
    if (accounts_.size() >= accounts_max_) return false;
    accounts_.insert_or_assign(name, one);
    return true;
}

AccountTicket::~AccountTicket() {
    if (messages_ > 0 || recipients_ > 0) limits_.release(account_, messages_, recipients_);
}

std::optional<AccountLimits::Exceeded> AccountTicket::reserve(AccountLimits::Unit unit, std::uint64_t now) {
    auto exceeded = limits_.reserve(account_, unit, rule_, now);
    if (!exceeded) ++(unit == AccountLimits::Unit::Message ? messages_ : recipients_);
    return exceeded;
}

bool AccountTicket::settle(const SurgeRule& rule, std::uint64_t now) {
    if (messages_ == 0) return false;
    const bool conspicuous = limits_.settle(account_, recipients_, rule, now);
    messages_ = recipients_ = 0;
    return conspicuous;
}

}  // namespace policy
