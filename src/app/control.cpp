#include "app/control.hpp"

#include "app/queued_message_json.hpp"
#include "base/base64.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <memory>
#include <nlohmann/json.hpp>
#include <tuple>

namespace app {
namespace {

using nlohmann::json;

struct Actions {
    queue::QueueManager& manager;
    env::Loop& loop;
    ControlActions actions;
};

std::string_view to_text(queue::Scheduler::DestinationState::Waits waits) {
    constexpr std::string_view words[] = {"", "window", "rate delay", "transport", "dead"};
    return words[static_cast<std::size_t>(waits)];
}

/// Those with the most mail, and those that failed.
std::vector<queue::Scheduler::DestinationState> busiest(std::vector<queue::Scheduler::DestinationState> all) {
    constexpr std::size_t shown_max = 25;
    const auto weight = [](const auto& d) {
        return std::tuple(d.waiting_jobs + d.running, d.dead, !d.why.empty());
    };
    std::ranges::sort(all, [&](const auto& a, const auto& b) {
        return weight(a) != weight(b) ? weight(a) > weight(b) : a.destination < b.destination;
    });
    std::erase_if(all, [](const auto& d) { return d.waiting_jobs + d.running == 0 && d.why.empty(); });
    if (all.size() > shown_max) all.erase(all.begin() + shown_max, all.end());
    return all;
}

// Not in the coroutines: gcc 12.2 cannot compile a braced list of json values there.
json status_json(Actions& self) {
    const auto counts = self.manager.counts();
    json out{
        {"connections", self.actions.connections()},
        {"active", counts.active},
        {"deferred", counts.deferred},
        {"hold", counts.hold},
        {"index_complete", counts.complete},
        {"uptime_seconds",
         std::chrono::floor<std::chrono::seconds>(self.loop.clock().wall() - self.actions.started).count()},
        {"warnings", self.actions.warnings()},
        {"destinations", json::array()}};
    const auto now = self.loop.clock().steady();
    for (const auto& d : busiest(self.manager.destinations())) {
        json line{{"transport", d.destination.transport},
                  {"next_hop", d.destination.next_hop},
                  {"waiting", d.waiting_jobs},
                  {"running", d.running},
                  {"window", d.window},
                  {"dead", d.dead},
                  {"why", d.why},
                  {"waits_for", to_text(d.waits)}};
        if (d.until) line["seconds_left"] = std::chrono::ceil<std::chrono::seconds>(*d.until - now).count();
        out["destinations"].push_back(std::move(line));
    }
    return out;
}

env::Task<std::string> status(std::shared_ptr<Actions> self, server::ControlReply& reply) {
    const json out = status_json(*self);
    co_await reply.line(out);
    co_return std::string{};
}

constexpr std::size_t page = 1000;  // messages: what one turn of the queue's loop has to bear

env::Task<std::string> list(std::shared_ptr<Actions> self, server::ControlReply& reply) {
    queue::QueueId last;
    for (;;) {
        queue::QueueManager::Selection everything;
        const auto ids = co_await self->manager.ids_after(last, page, everything);
        if (ids.empty()) co_return std::string{};
        last = ids.back();
        for (const auto& id : ids) {
            auto message = co_await self->manager.describe(id);
            if (!message) continue;
            const json line = queued_message_json(*message);
            const bool wanted = co_await reply.line(line);
            if (!wanted) co_return std::string{};
        }
    }
}

env::Task<queue::QueueManager::Changed> change_page(std::shared_ptr<Actions> self, std::string what,
                                                    std::vector<queue::QueueId> ids) {
    auto& manager = self->manager;
    if (what == "flush") co_return manager.flush(ids);
    if (what == "delete") {
        auto removed = co_await manager.remove(std::move(ids));
        co_return removed;
    }
    if (what == "hold") {
        auto held = co_await manager.hold(std::move(ids));
        co_return held;
    }
    if (what == "expire") {
        auto expired = co_await manager.expire(std::move(ids));
        co_return expired;
    }
    auto released = co_await manager.release(ids);
    // Routing is asked anew at each attempt, so to queue again is to be due now.
    if (released && what == "requeue") *released += manager.flush(ids);
    co_return released;
}

/// The next of the messages a change is about: those the caller named, or a page of all.
struct Selected {
    bool all = false;
    queue::QueueManager::Selection selection;
    std::vector<queue::QueueId> named;
    std::size_t taken = 0;
    queue::QueueId last;
};

env::Task<std::vector<queue::QueueId>> next_page(std::shared_ptr<Actions> self, Selected& from) {
    if (from.all) {
        auto ids = co_await self->manager.ids_after(from.last, page, from.selection);
        if (!ids.empty()) from.last = ids.back();
        co_return ids;
    }
    const auto begin = from.named.begin() + static_cast<std::ptrdiff_t>(from.taken);
    const auto count = std::min(page, from.named.size() - from.taken);
    from.taken += count;
    co_return std::vector<queue::QueueId>(begin, begin + static_cast<std::ptrdiff_t>(count));
}

/// "" or what is wrong with the request.
std::string read_selection(const json& request, Selected& out) {
    out.all = request.value("all", false);
    const std::string state = request.value("state", "");
    if (out.all && !state.empty()) {
        using queue::QueueState;
        for (const auto one : {QueueState::Active, QueueState::Deferred, QueueState::Hold})
            if (to_text(one) == state) out.selection.state = one;
        if (!out.selection.state && state != "incoming")
            return fmt::format("there is no queue '{}'; there are active, deferred, hold and incoming",
                               state);
        if (!out.selection.state) out.all = false;  // what comes in is not ours yet: no message
    } else if (!out.all) {
        for (const auto& text : request.at("ids"))
            if (auto id = queue::QueueId::parse(text.get<std::string>())) out.named.push_back(std::move(*id));
    }
    return {};
}

env::Task<std::string> change(std::shared_ptr<Actions> self, json request, server::ControlReply& reply) {
    const std::string what = request.at("action").get<std::string>();
    if (what != "flush" && what != "delete" && what != "hold" && what != "release" && what != "requeue" &&
        what != "expire")
        co_return "no such action: " + what;
    Selected selected;
    if (auto wrong = read_selection(request, selected); !wrong.empty()) co_return wrong;
    // Mail that comes meanwhile is not meant.
    selected.selection.arrived_until = self->loop.clock().wall();
    co_await self->manager.wait_for_index();
    const auto counts = self->manager.counts();
    const std::size_t total =
        selected.all ? counts.active + counts.deferred + counts.hold : selected.named.size();
    std::size_t count = 0;
    std::size_t seen = 0;
    json line = json::object();
    for (;;) {
        auto ids = co_await next_page(self, selected);
        if (ids.empty()) break;
        seen += ids.size();
        auto changed = co_await change_page(self, what, std::move(ids));
        if (!changed) co_return fmt::format("{}; {} messages were done before", changed.error(), count);
        count += *changed;
        line["seen"] = seen;
        line["total"] = std::max(total, seen);
        if (total > page) {
            const bool wanted = co_await reply.line(line);
            if (!wanted) co_return std::string{};
        }
    }
    line = json::object();
    line["count"] = count;
    co_await reply.line(line);
    co_return std::string{};
}

/// A message: what `list` says of it, then its content in base64 pieces.
env::Task<std::string> show(std::shared_ptr<Actions> self, json request, server::ControlReply& reply) {
    const auto id = queue::QueueId::parse(request.at("id").get<std::string>());
    if (!id) co_return std::string("that is not a queue id");
    auto message = co_await self->manager.describe(*id);
    auto content = co_await self->manager.content(*id);
    if (!message || !content) co_return fmt::format("{} is not in the queue", id->text());
    json line = queued_message_json(*message);
    bool wanted = co_await reply.line(line);
    while (wanted) {
        auto piece = co_await content->next();
        if (!piece) co_return piece.error();
        if (piece->empty()) break;
        line = json::object();
        line["content"] = base::base64_encode(*piece);
        wanted = co_await reply.line(line);
    }
    co_return std::string{};
}

/// Says yes and does it.
env::Task<std::string> call(std::function<void()> what, server::ControlReply& reply) {
    json out = json::object();
    out["ok"] = true;
    co_await reply.line(out);
    what();
    co_return std::string{};
}

}  // namespace

void add_control_handlers(server::ControlServer& control, queue::QueueManager& manager, env::Loop& loop,
                          ControlActions actions) {
    auto self = std::make_shared<Actions>(Actions{manager, loop, std::move(actions)});
    control.add("status", [self](json, server::ControlReply& reply) { return status(self, reply); });
    control.add("list", [self](json, server::ControlReply& reply) { return list(self, reply); });
    control.add("show", [self](json request, server::ControlReply& reply) {
        return show(self, std::move(request), reply);
    });
    control.add("queue", [self](json request, server::ControlReply& reply) {
        return change(self, std::move(request), reply);
    });
    control.add("flush-site", [self](json request, server::ControlReply& reply) {
        auto flush = [self, site = request.at("site").get<std::string>()] { self->manager.flush_site(site); };
        return call(std::move(flush), reply);
    });
    control.add("stop",
                [self](json, server::ControlReply& reply) { return call(self->actions.stop, reply); });
    control.add("reload",
                [self](json, server::ControlReply& reply) { return call(self->actions.reload, reply); });
}

}  // namespace app
