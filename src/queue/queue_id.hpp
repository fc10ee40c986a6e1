// The name of a queued message, as logs, tools and Received: show it: Postfix's long queue id form
// (enable_long_queue_ids), so that mailq readers take it: time in base 52/51 plus a per-process part, 12 to
// 20 characters, [0-9A-Za-z] without vowels. Ids sort by arrival time and never repeat while the store lives.
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace queue {

class QueueId {
 public:
    QueueId() = default;
    static std::optional<QueueId> parse(std::string_view text);
    const std::string& text() const { return text_; }
    auto operator<=>(const QueueId&) const = default;

 private:
    friend class QueueIdSource;
    std::string text_;
};

}  // namespace queue
