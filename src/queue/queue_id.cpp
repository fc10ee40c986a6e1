#include "queue/queue_id.hpp"

#include "base/text.hpp"
#include "queue/queue_id_source.hpp"

#include <algorithm>

namespace queue {
namespace {

constexpr std::string_view digits = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz";
constexpr std::size_t length_max = 32;

std::string in_base(std::uint64_t value, std::uint64_t base, std::size_t width) {
    std::string out;
    do {
        out += digits[value % base];
        value /= base;
    } while (value > 0);
    while (out.size() < width) out += digits[0];
    std::ranges::reverse(out);
    return out;
}

}  // namespace

std::optional<QueueId> QueueId::parse(std::string_view text) {
    if (text.empty() || text.size() > length_max) return std::nullopt;
    if (!std::ranges::all_of(text, base::is_alnum)) return std::nullopt;
    QueueId out;
    out.text_ = text;
    return out;
}

QueueId QueueIdSource::next(env::WallTime now) {
    constexpr std::int64_t million = 1'000'000;
    const auto microseconds =
        std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch()).count();
    last_microseconds_ = std::max(microseconds, last_microseconds_ + 1);
    QueueId out;
    out.text_ = in_base(static_cast<std::uint64_t>(last_microseconds_ / million), 52, 6) +
                in_base(static_cast<std::uint64_t>(last_microseconds_ % million), 52, 4) + "z" +
                in_base(suffix_, 51, 1);
    return out;
}

std::optional<std::uint64_t> QueueIdSource::epoch_of(const QueueId& id) {
    const std::string& text = id.text();
    const auto mark = text.rfind(digits.back());
    if (mark == std::string::npos || mark + 1 == text.size()) return std::nullopt;
    std::uint64_t value = 0;
    for (const char c : std::string_view(text).substr(mark + 1)) {
        const auto digit = digits.find(c);
        if (digit == std::string_view::npos || value > UINT64_MAX / 64) return std::nullopt;
        value = value * 51 + digit;
    }
    return value / loops_max;
}

}  // namespace queue
