// Reads what date.hpp's format_date and everybody else writes (RFC 5322 §3.3, §4.3).
#include "base/text.hpp"
#include "mail/date.hpp"

#include <algorithm>
#include <iterator>
#include <optional>

namespace mail {
namespace {

constexpr std::string_view weekdays[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
constexpr std::string_view months[] = {"jan", "feb", "mar", "apr", "may", "jun",
                                       "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::pair<std::string_view, int> zones[] = {{"ut", 0},   {"gmt", 0},  {"est", -5}, {"edt", -4},
                                                      {"cst", -6}, {"cdt", -5}, {"mst", -7}, {"mdt", -6},
                                                      {"pst", -8}, {"pdt", -7}};  // hours (§4.3)

using Expected = std::expected<void, DateError>;

constexpr unsigned year_max = 9999;

class DateReader {
 public:
    explicit DateReader(std::string_view text) : text_(text) {}
    std::expected<Date, DateError> read();

 private:
    std::unexpected<DateError> error(std::string_view why) const {
        return std::unexpected(DateError{at_, why});
    }
    std::unexpected<DateError> error_before(std::string_view word, std::string_view why) const {
        return std::unexpected(DateError{static_cast<std::size_t>(word.data() - text_.data()), why});
    }
    /// White space, folds and comments (§3.2.2).
    Expected skip();
    /// A line end that no white space follows ends the field.
    bool fold_ahead() const {
        const std::size_t next = at_ + (text_.substr(at_).starts_with("\r\n") ? 2 : 1);
        return next >= text_.size() || text_[next] == ' ' || text_[next] == '\t';
    }
    Expected comment();
    template <class Is>
    std::string_view run(Is is) {
        const std::size_t begin = at_;
        while (at_ < text_.size() && is(text_[at_])) ++at_;
        return text_.substr(begin, at_ - begin);
    }
    std::string_view letters() { return run(base::is_alpha); }
    /// A number of `digits_min` to `digits_max` digits, and what may be skipped behind it.
    std::expected<unsigned, DateError> number(std::size_t digits_min, std::size_t digits_max, unsigned min,
                                              unsigned max, std::string_view what);
    Expected weekday();
    Expected day();
    Expected time_of_day();
    Expected zone();
    bool literal(char c) {
        if (at_ >= text_.size() || text_[at_] != c) return false;
        ++at_;
        return true;
    }

    std::string_view text_;
    std::size_t at_ = 0;
    std::chrono::year_month_day day_;
    std::chrono::seconds time_{0};
    std::chrono::minutes offset_{0};
    bool zone_unknown_ = false;
};

Expected DateReader::skip() {
    while (at_ < text_.size()) {
        const char c = text_[at_];
        if (c == '(') {
            if (auto ok = comment(); !ok) return ok;
        } else if (c == '\r' || c == '\n') {
            if (!fold_ahead()) return error("the field ends here");
            ++at_;
        } else if (c == ' ' || c == '\t') {
            ++at_;
        } else {
            break;
        }
    }
    return {};
}

Expected DateReader::comment() {
    const std::size_t begin = at_;
    std::size_t depth = 0;
    for (; at_ < text_.size(); ++at_) {
        const char c = text_[at_];
        if (c == '\\')
            ++at_;
        else if ((c == '\r' || c == '\n') && !fold_ahead())
            break;
        else if (c == '(')
            ++depth;
        else if (c == ')' && --depth == 0) {
            ++at_;
            return {};
        }
    }
    at_ = begin;
    return error("a comment is not closed");
}

std::expected<unsigned, DateError> DateReader::number(std::size_t digits_min, std::size_t digits_max,
                                                      unsigned min, unsigned max, std::string_view what) {
    const auto digits = run(base::is_digit);
    const auto value = base::parse_number(digits, max);
    if (digits.size() < digits_min || digits.size() > digits_max || !value || *value < min)
        return error_before(digits, what);
    if (auto ok = skip(); !ok) return std::unexpected(ok.error());
    return static_cast<unsigned>(*value);
}

Expected DateReader::weekday() {
    const auto word = letters();
    if (word.empty()) return {};
    if (std::ranges::find(weekdays, base::lower(word)) == std::end(weekdays))
        return error_before(word, "not a day of the week");
    if (auto ok = skip(); !ok) return ok;
    if (!literal(',')) return error("a comma is missing");
    return skip();
}

Expected DateReader::day() {
    const auto day = number(1, 2, 1, 31, "not a day");
    if (!day) return std::unexpected(day.error());
    const auto word = letters();
    const auto* const month = std::ranges::find(months, base::lower(word));
    if (month == std::end(months)) return error_before(word, "not a month");
    if (auto ok = skip(); !ok) return ok;
    const std::size_t year_at = at_;
    auto year = number(2, 4, 0, year_max, "not a year");
    if (!year) return std::unexpected(year.error());
    const auto digits = text_.substr(year_at).find_first_not_of("0123456789");
    const std::size_t year_digits = digits == std::string_view::npos ? text_.size() - year_at : digits;
    if (year_digits == 2) *year += *year < 50 ? 2000 : 1900;  // §4.3
    if (year_digits == 3) *year += 1900;
    day_ = std::chrono::year(static_cast<int>(*year)) /
           std::chrono::month(static_cast<unsigned>(month - months) + 1) / std::chrono::day(*day);
    if (!day_.ok() || *year < 1900) return std::unexpected(DateError{year_at, "no such day, or before 1900"});
    return {};
}

Expected DateReader::time_of_day() {
    const auto hour = number(2, 2, 0, 23, "not an hour");
    if (!hour) return std::unexpected(hour.error());
    if (!literal(':')) return error("a colon is missing");
    if (auto ok = skip(); !ok) return ok;
    const auto minute = number(2, 2, 0, 59, "not a minute");
    if (!minute) return std::unexpected(minute.error());
    time_ = std::chrono::hours(*hour) + std::chrono::minutes(*minute);
    if (!literal(':')) return {};
    if (auto ok = skip(); !ok) return ok;
    const auto second = number(2, 2, 0, 60, "not a second");  // 60: a leap second
    if (!second) return std::unexpected(second.error());
    time_ += std::chrono::seconds(*second);
    return {};
}

Expected DateReader::zone() {
    const std::size_t begin = at_;
    const bool west = literal('-');
    if (west || literal('+')) {
        const auto hhmm = number(4, 4, 0, 9999, "not a zone");
        if (!hhmm) return std::unexpected(hhmm.error());
        if (*hhmm % 100 > 59) return std::unexpected(DateError{begin, "not a zone"});
        offset_ = std::chrono::minutes(*hhmm / 100 * 60 + *hhmm % 100);
        zone_unknown_ = west && *hhmm == 0;
        if (west) offset_ = -offset_;
        return {};
    }
    const auto word = letters();
    if (word.empty()) return error("a zone is missing");
    const auto* const known =
        std::ranges::find(zones, base::lower(word), [](const auto& one) { return std::string(one.first); });
    zone_unknown_ = known == std::end(zones);  // military and other names are as -0000 (§4.3)
    if (!zone_unknown_) offset_ = std::chrono::hours(known->second);
    return skip();
}

std::expected<Date, DateError> DateReader::read() {
    constexpr Expected (DateReader::* steps[])() = {&DateReader::skip, &DateReader::weekday, &DateReader::day,
                                                    &DateReader::time_of_day, &DateReader::zone};
    for (const auto step : steps)
        if (auto ok = (this->*step)(); !ok) return std::unexpected(ok.error());
    if (at_ < text_.size()) return error("more than a date");
    const std::chrono::sys_seconds local = std::chrono::sys_days(day_) + time_;
    if (local >= std::chrono::sys_days(std::chrono::year(year_max + 1) / 1 / 1))
        return error("behind the last year");  // a leap second at its end
    return Date{local - offset_, offset_, zone_unknown_};
}

}  // namespace

std::expected<Date, DateError> parse_date(std::string_view text) { return DateReader(text).read(); }

}  // namespace mail
