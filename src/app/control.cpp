#include "app/control.hpp"

#include "base/base64.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <memory>
#include <nlohmann/json.hpp>

namespace app {
namespace {

using nlohmann::json;

json to_json(const queue::QueuedMessage& message) {
    json recipients = json::array();
    for (const auto& recipient : message.recipients)
        recipients.push_back({{"address", recipient.address},
                              {"delay_reason", recipient.reason},
                              {"greylisted", recipient.greylisted}});
    return {{"queue_name", to_text(message.state)},
            {"queue_id", message.id.text()},
            {"arrival_time", env::unix_time(message.arrived)},
            {"message_size", message.size},
            {"sender", message.sender},
            {"recipients", std::move(recipients)},
            {"next_attempt", env::unix_time(message.next_attempt)}};
}

struct Actions {
    queue::QueueManager& manager;
    env::Loop& loop;
    ControlActions actions;
};

// Not in the coroutines: gcc 12.2 cannot compile a braced list of json values there.
json status_json(Actions& self) {
    const auto counts = self.manager.counts();
    json out{
        {"connections", self.actions.connections()},
        {"active", counts.active},
        {"deferred", counts.deferred},
        {"hold", counts.hold},
        {"uptime_seconds",
         std::chrono::floor<std::chrono::seconds>(self.loop.clock().wall() - self.actions.started).count()},
        {"destinations", json::array()}};
    for (const auto& d : self.manager.destinations())
        out["destinations"].push_back({{"transport", d.destination.transport},
                                       {"next_hop", d.destination.next_hop},
                                       {"waiting", d.waiting_jobs},
                                       {"running", d.running},
                                       {"window", d.window},
                                       {"dead", d.dead},
                                       {"why", d.why}});
    return out;
}

env::Task<std::string> status(std::shared_ptr<Actions> self, server::ControlReply& reply) {
    const json out = status_json(*self);
    co_await reply.line(out);
    co_return std::string{};
}

env::Task<std::string> list(std::shared_ptr<Actions> self, server::ControlReply& reply) {
    for (const auto& id : self->manager.ids()) {
        auto message = co_await self->manager.describe(id);
        if (!message) continue;
        const json line = to_json(*message);
        const bool wanted = co_await reply.line(line);
        if (!wanted) break;
    }
    co_return std::string{};
}

env::Task<std::string> change(std::shared_ptr<Actions> self, json request, server::ControlReply& reply) {
    const std::string what = request.at("action").get<std::string>();
    std::vector<queue::QueueId> ids;
    if (request.value("all", false)) {
        ids = self->manager.ids();
        const std::string state = request.value("state", "");
        if (!state.empty()) {
            std::vector<queue::QueueId> some;
            for (const auto& id : ids) {
                auto message = co_await self->manager.describe(id);
                if (message && to_text(message->state) == state) some.push_back(id);
            }
            ids = std::move(some);
        }
    } else {
        for (const auto& text : request.at("ids"))
            if (auto id = queue::QueueId::parse(text.get<std::string>())) ids.push_back(std::move(*id));
    }
    std::size_t count = 0;
    if (what == "flush") {
        const bool all = request.value("all", false);
        count = self->manager.flush(
            [&](const queue::QueueId& id) { return all || std::ranges::find(ids, id) != ids.end(); });
    } else {
        for (const auto& id : ids) {
            if (what == "delete")
                count += co_await self->manager.remove(id);
            else if (what == "hold")
                count += co_await self->manager.hold(id);
            else if (what == "release")
                count += co_await self->manager.release(id);
            else if (what == "requeue") {
                // Routing is asked anew at each attempt, so to queue again is to be due now.
                const auto released = co_await self->manager.release(id);
                count += released > 0
                             ? 1
                             : self->manager.flush([&](const queue::QueueId& other) { return other == id; });
            } else
                co_return "no such action: " + what;
        }
    }
    json out = json::object();
    out["count"] = count;
    co_await reply.line(out);
    co_return std::string{};
}

/// A message: what `list` says of it, then its content in base64 pieces.
env::Task<std::string> show(std::shared_ptr<Actions> self, json request, server::ControlReply& reply) {
    const auto id = queue::QueueId::parse(request.at("id").get<std::string>());
    if (!id) co_return std::string("that is not a queue id");
    auto message = co_await self->manager.describe(*id);
    auto content = co_await self->manager.content(*id);
    if (!message || !content) co_return fmt::format("{} is not in the queue", id->text());
    json line = to_json(*message);
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

env::Task<std::string> call(std::shared_ptr<Actions> self, bool stop, server::ControlReply& reply) {
    json out = json::object();
    out["ok"] = true;
    co_await reply.line(out);
    stop ? self->actions.stop() : self->actions.reload();
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
    control.add("stop", [self](json, server::ControlReply& reply) { return call(self, true, reply); });
    control.add("reload", [self](json, server::ControlReply& reply) { return call(self, false, reply); });
}

}  // namespace app
