// Which queued messages a command is about: --sender, --recipient, --destination, --reason, --older, --newer,
// --state. Patterns are parts of the text, without regard to case; several filters must all fit.
#pragma once

#include <chrono>
#include <expected>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace commands {

struct QueueFilter {
    std::string sender, recipient, destination, reason, state;
    std::optional<std::chrono::seconds> older, newer;
    bool any() const {
        return !sender.empty() || !recipient.empty() || !destination.empty() || !reason.empty() ||
               !state.empty() || older || newer;
    }
    /// `line`: one message as the server lists it. `now`: Unix time.
    bool matches(const nlohmann::json& line, std::int64_t now) const;
};

/// Takes the filter's options out of `words`. The error says what is wrong.
std::expected<QueueFilter, std::string> take_queue_filter(std::vector<std::string>& words);

}  // namespace commands
