#include "server/pickup.hpp"

#include "base/text.hpp"
#include "mail/header.hpp"

#include <fmt/format.h>
#include <map>
#include <set>

namespace server {

struct Pickup::State {
    Services services;
    PickupOptions options;
    std::unique_ptr<env::Listener> listener;
    std::unique_ptr<env::Timer> timer;
    bool knocked = false;
    bool stopping = false;
    std::set<std::string> taken;            // ours already, and still there: never a second time
    std::map<std::string, int> complained;  // files that could not be read: said once

    void complain(const std::string& name, const std::string& text) {
        constexpr std::size_t names_max = 10000;
        if (complained.size() < names_max && complained[name]++ == 0)
            services.events.note(base::Severity::Warning, "pickup",
                                 fmt::format("maildrop/{}: {}", base::printable(name, 100), text));
    }
};

namespace {

struct ListTrip {
    env::FileSystem* files;
    std::string folder;
    std::expected<std::vector<std::string>, env::FileError> operator()() const { return files->list(folder); }
};
struct ReadTrip {
    env::FileSystem* files;
    std::string path;
    std::uint64_t max;
    std::expected<env::FileSystem::Opened, env::FileError> operator()() const {
        return files->read_foreign(path, max);
    }
};
struct RemoveTrip {
    env::FileSystem* files;
    std::string path;
    std::expected<void, env::FileError> operator()() const { return files->remove(path); }
};

}  // namespace

Pickup::Pickup(Services services, PickupOptions options)
    : state_(std::make_shared<State>(
          State{std::move(services), std::move(options), nullptr, nullptr, false, false, {}, {}})) {
    state_->timer = state_->services.loop.make_timer();
}
Pickup::~Pickup() { stop(); }

void Pickup::start(std::unique_ptr<env::Listener> listener) {
    state_->listener = std::move(listener);
    state_->services.loop.spawn(listen(state_));
    state_->services.loop.spawn(work(state_));
}

void Pickup::stop() {
    state_->stopping = true;
    if (state_->listener) state_->listener->close();
    state_->timer->cancel();
}

void Pickup::use(std::shared_ptr<const policy::ContentRules> content) {
    state_->options.content = std::move(content);
}

env::Task<void> Pickup::listen(std::shared_ptr<State> state) {
    constexpr auto pause = std::chrono::milliseconds(50);  // a flood of knocks is one knock
    while (!state->stopping && state->listener) {
        auto stream = co_await state->listener->accept();
        if (state->stopping) break;
        if (stream) (*stream)->close();
        state->knocked = true;
        state->timer->cancel();
        co_await state->services.loop.sleep(pause);
    }
}

env::Task<void> Pickup::work(std::shared_ptr<State> state) {
    while (!state->stopping) {
        state->knocked = false;
        co_await scan(state);
        if (state->knocked || state->stopping) continue;
        co_await state->timer->wait_until(state->services.loop.clock().steady() +
                                          state->options.poll_interval);
    }
}

env::Task<void> Pickup::scan(std::shared_ptr<State> state) {
    ListTrip trip{&state->services.files, state->options.folder};
    auto names = co_await state->services.workers.run(std::move(trip));
    if (!names) {
        state->complain("", std::string(env::to_text(names.error())));
        co_return;
    }
    for (const auto& name : *names) {
        if (state->stopping) break;
        if (name.starts_with('.')) continue;  // still being written
        const bool go_on = co_await take(state, name);
        if (!go_on) break;
    }
}

/// What header and body checks make of the content: it is changed in place. The effects say what becomes of
/// the envelope; a refusal means a bounce (there is nobody left to say it to).
env::Task<policy::SideEffects> Pickup::clean(std::shared_ptr<State> state, std::string id, std::string sender,
                                             std::string& content, std::string& received) {
    const auto filter = state->services.make_filter();
    std::string kept;
    co_await filter->feed(content, kept);
    co_await filter->end(kept);
    received = co_await filter->own_field(std::move(received));
    for (const auto& [word, what, text] : filter->take_notes())
        state->services.events.note(
            base::Severity::Info, "cleanup",
            fmt::format("{}: {}: {} from local; from=<{}>{}{}", id, word, base::printable(what, 320), sender,
                        text.empty() ? "" : ": ", text));
    policy::SideEffects effects = filter->effects();
    effects.filter = effects.filter.empty() ? filter->content_filter() : effects.filter;
    if (const auto& refusal = filter->refusal()) {
        const bool temporary = refusal->code < 500;
        effects = {};
        effects.filter =
            fmt::format("{}:{} {}", temporary ? "retry" : "error", refusal->status.text(), refusal->text);
        co_return effects;
    }
    content = std::move(kept);
    co_return effects;
}

env::Task<Pickup::Stored> Pickup::store(std::shared_ptr<State> state, queue::IncomingMessage& message,
                                        queue::DroppedMessage dropped, std::uint32_t owner) {
    auto& services = state->services;
    const std::string id = message.id().text();
    mail::Envelope envelope = std::move(dropped.envelope);
    envelope.origin.client_address = "local";
    envelope.origin.client_name = "localhost";
    envelope.origin.helo = std::to_string(owner);  // "from userid N"
    envelope.origin.service = "pickup";
    const std::string sender = base::printable(envelope.sender.text(), 300);
    services.events.note(base::Severity::Info, "pickup",
                         fmt::format("{}: uid={} from=<{}>", id, owner, sender));
    mail::HeaderScanner scanner;
    scanner.feed(dropped.content);
    scanner.finish();
    services.events.emit(base::MessageContents{id, scanner.message_id()});
    const auto now = services.loop.clock().wall();
    std::string prepend =
        mail::received_field(envelope, state->options.trace, id, now, services.loop.clock().zone_offset(now));
    const auto effects = co_await clean(state, id, sender, dropped.content, prepend);
    if (effects.discard) co_return Stored{true, {}};
    prepend += co_await policy::sign_whole(state->options.content, dropped.content, services.workers,
                                           env::unix_time(now));
    effects.apply_early(envelope);
    auto expanded = co_await services.expand(std::move(envelope));
    if (!expanded) co_return Stored{false, expanded.error()};
    effects.apply_late(*expanded);
    auto kept = co_await message.append(dropped.content);
    if (!kept) co_return Stored{};
    auto receipt = co_await message.commit(std::move(*expanded), std::move(prepend));
    co_return Stored{receipt.has_value(), {}};
}

env::Task<bool> Pickup::take(std::shared_ptr<State> state, std::string name) {
    auto& services = state->services;
    const std::string path = state->options.folder + "/" + name;
    if (state->taken.contains(name)) {
        RemoveTrip again{&services.files, path};
        auto gone = co_await services.workers.run(std::move(again));
        if (gone) state->taken.erase(name);
        co_return true;
    }
    ReadTrip trip{&services.files, path, state->options.file_octets_max};
    auto opened = co_await services.workers.run(std::move(trip));
    if (!opened) {
        if (opened.error() != env::FileError::NotFound)
            state->complain(name, std::string(env::to_text(opened.error())));
        co_return true;
    }
    auto dropped = queue::decode_dropped(opened->text);
    if (!dropped || opened->stat.links != 1) {
        state->complain(name, "this is no message of sendmail's; it is left alone");
        co_return true;
    }
    auto message = services.intake.begin();
    if (!message) co_return false;  // no room now: later
    const Stored stored = co_await store(state, **message, std::move(*dropped), opened->stat.owner);
    if (!stored.problem.empty()) state->complain(name, stored.problem);
    if (!stored.done) co_return !stored.problem.empty();
    RemoveTrip remove{&services.files, path};
    auto removed = co_await services.workers.run(std::move(remove));
    if (!removed) {
        state->taken.insert(name);
        state->complain(name, fmt::format("taken, and cannot be removed: {}", env::to_text(removed.error())));
    }
    co_return true;
}

}  // namespace server
