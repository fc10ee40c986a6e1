#include "commands/queue_filter.hpp"

#include "base/text.hpp"
#include "commands/judge_world.hpp"
#include "config/values.hpp"

#include <algorithm>

namespace commands {
namespace {

bool has_part(const std::string& text, const std::string& part) {
    return part.empty() || base::lower(text).find(base::lower(part)) != std::string::npos;
}

}  // namespace

bool QueueFilter::matches(const nlohmann::json& line, std::int64_t now) const {
    if (!state.empty() && line.value("queue_name", "") != state) return false;
    if (newer && now - line.value("arrival_time", std::int64_t{0}) > newer->count()) return false;
    if (older && now - line.value("arrival_time", std::int64_t{0}) < older->count()) return false;
    const std::string from = line.value("sender", "");
    if (!has_part(from.empty() ? "MAILER-DAEMON" : from, sender)) return false;
    const std::string domain = "@" + base::lower(destination);
    return std::ranges::any_of(line["recipients"], [&](const nlohmann::json& one) {
        const std::string address = one.value("address", "");
        return has_part(address, recipient) && has_part(one.value("delay_reason", ""), reason) &&
               (destination.empty() || base::lower(address).ends_with(domain));
    });
}

std::expected<QueueFilter, std::string> take_queue_filter(std::vector<std::string>& words) {
    const auto options = NamedOptions::parse(
        words, {"sender", "recipient", "destination", "reason", "older", "newer", "state"});
    if (!options) return std::unexpected(options.error());
    QueueFilter out{options->get("sender"),
                    options->get("recipient"),
                    options->get("destination"),
                    options->get("reason"),
                    options->get("state"),
                    {},
                    {}};
    if (options->has("older")) {
        out.older = config::parse_time(options->get("older"), 's');
        if (!out.older) return std::unexpected("--older is a number and s, m, h, d or w");
    }
    if (options->has("newer")) {
        out.newer = config::parse_time(options->get("newer"), 's');
        if (!out.newer) return std::unexpected("--newer is a number and s, m, h, d or w");
    }
    words = options->rest();
    return out;
}

}  // namespace commands
