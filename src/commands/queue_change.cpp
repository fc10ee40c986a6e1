#include "commands/queue_change.hpp"

#include "commands/site_loader.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <unistd.h>

namespace commands {

using nlohmann::json;

std::optional<std::size_t> change_queue(const Invocation& invocation, const QueueChange& what) {
    json request{{"verb", "queue"},
                 {"action", what.action},
                 {"ids", what.ids},
                 {"all", what.all},
                 {"state", what.state}};
    std::size_t count = 0;
    const bool terminal = ::isatty(STDERR_FILENO) != 0;
    bool shown = false;
    const bool answered = ask(invocation, std::move(request), [&](const json& line) {
        count = line.value("count", count);
        if (!terminal || !line.contains("seen")) return;
        shown = true;
        fmt::print(stderr, "\r{}: {} of {} ", what.action, line.value("seen", std::size_t{0}),
                   line.value("total", std::size_t{0}));
    });
    if (shown) fmt::print(stderr, "\n");
    return answered ? std::optional(count) : std::nullopt;
}

std::optional<std::size_t> change_in_parts(const Invocation& invocation, const std::string& action,
                                           const std::vector<std::string>& ids) {
    constexpr std::size_t part = 1000;
    const bool progress = ::isatty(STDERR_FILENO) != 0 && ids.size() > part;
    std::size_t count = 0;
    for (std::size_t at = 0; at < ids.size(); at += part) {
        const auto end = std::min(at + part, ids.size());
        const auto from = ids.begin() + static_cast<std::ptrdiff_t>(at),
                   to = ids.begin() + static_cast<std::ptrdiff_t>(end);
        const auto done = change_queue(invocation, {action, {from, to}, false, ""});
        if (!done) return std::nullopt;
        count += *done;
        if (progress) fmt::print(stderr, "\r{} of {} ", end, ids.size());
    }
    if (progress) fmt::print(stderr, "\n");
    return count;
}

}  // namespace commands
