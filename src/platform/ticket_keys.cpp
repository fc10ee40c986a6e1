#include "platform/ticket_keys.hpp"

#include <algorithm>
#include <span>

namespace platform {

void TicketKeys::rotate() {
    const auto now = clock_.steady();
    if (current_ && now - made_ < period) return;
    // After two periods without a client the old one is too old as well.
    if (current_ && now - made_ < 2 * period)
        previous_ = current_;
    else
        previous_.reset();
    current_.emplace();
    const auto fill = [&](auto& field) {
        random_.fill(std::span<char>(reinterpret_cast<char*>(field.data()), field.size()));
    };
    fill(current_->name);
    fill(current_->cipher);
    fill(current_->mac);
    made_ = now;
}

TicketKey TicketKeys::current() {
    const std::lock_guard lock(mutex_);
    rotate();
    return *current_;
}

std::optional<TicketKeys::Found> TicketKeys::find(const unsigned char* name) {
    const std::lock_guard lock(mutex_);
    rotate();
    for (const auto* key : {&current_, &previous_})
        if (*key && std::equal((*key)->name.begin(), (*key)->name.end(), name))
            return Found{**key, key == &previous_};
    return std::nullopt;
}

}  // namespace platform
