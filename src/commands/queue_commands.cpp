// postrider queue: list, show, and change messages by id or by filter.
#include "base/base64.hpp"
#include "commands/queue_change.hpp"
#include "commands/queue_filter.hpp"
#include "commands/queued_messages.hpp"
#include "commands/verb.hpp"

#include <algorithm>
#include <ctime>
#include <fmt/format.h>
#include <iostream>
#include <unistd.h>

namespace commands {

using nlohmann::json;

namespace {

constexpr std::string_view actions[] = {"flush", "hold", "release", "requeue", "expire", "delete"};

std::string plural(std::size_t count) { return fmt::format("{} message{}", count, count == 1 ? "" : "s"); }

int list(const Invocation& invocation, const QueueFilter& filter) {
    QueueTable table(QueueTable::Form::Told);
    const std::int64_t now = std::time(nullptr);
    const bool listed = list_messages(invocation, "postrider queue", [&](const json& line) {
        if (filter.any() && !filter.matches(line, now)) return;
        if (invocation.json)
            fmt::print("{}\n", line.dump(-1, ' ', false, json::error_handler_t::replace));
        else
            table.row(line, now);
    });
    if (!listed) return exit_unavailable;
    if (!invocation.json) table.end();
    return exit_ok;
}

int show_as_json(const Invocation& invocation, const std::vector<std::string>& ids) {
    for (const auto& id : ids) {
        json message;
        std::string content;
        const auto shown = show_message(invocation, "postrider queue", id, [&](const json& line) {
            if (!line.contains("content"))
                message = line;
            else if (const auto octets = base::base64_decode(line["content"].get<std::string>()))
                content += *octets;
        });
        if (shown == Shown::No) return exit_unavailable;
        if (shown == Shown::NoSuchMessage) {
            fmt::print(stderr, "postrider queue: no such message: {}\n", id);
            return exit_failed;
        }
        message["content"] = content;
        fmt::print("{}\n", message.dump(-1, ' ', false, json::error_handler_t::replace));
    }
    return exit_ok;
}

bool is_all(const std::vector<std::string>& ids) { return std::ranges::find(ids, "ALL") != ids.end(); }

/// The ids that fit; of those named, when some are named. nullopt: they cannot be listed.
std::optional<std::vector<std::string>> choose(const Invocation& invocation, const QueueFilter& filter,
                                               const std::vector<std::string>& named) {
    std::vector<std::string> out;
    const std::int64_t now = std::time(nullptr);
    const bool everything = named.empty() || is_all(named);
    const bool listed = list_messages(invocation, "postrider queue", [&](const json& line) {
        std::string id = line.value("queue_id", "");
        const bool wanted = everything || std::ranges::find(named, id) != named.end();
        if (wanted && (!filter.any() || filter.matches(line, now))) out.push_back(std::move(id));
    });
    return listed ? std::optional(std::move(out)) : std::nullopt;
}

/// How many messages there are; nullopt: the server does not answer.
std::optional<std::size_t> count_all(const Invocation& invocation) {
    std::size_t out = 0;
    const bool answered = ask(invocation, json{{"verb", "status"}}, [&](const json& line) {
        for (const auto* key : {"active", "deferred", "hold"}) out += line.value(key, std::size_t{0});
    });
    return answered ? std::optional(out) : std::nullopt;
}

/// Asks a person at a terminal before mail is lost to its sender; a script has said what it wants.
bool agreed(const std::string& action, std::size_t count, bool yes) {
    const bool final = action == "delete" || action == "expire";
    if (yes || !final || ::isatty(STDIN_FILENO) == 0 || ::isatty(STDERR_FILENO) == 0) return true;
    fmt::print(stderr, "{} {}{}? [y/N] ", action, plural(count),
               action == "expire" ? ", returning them to their senders" : " for good");
    std::string answer;
    std::getline(std::cin, answer);
    if (answer == "y" || answer == "yes") return true;
    fmt::print(stderr, "nothing was changed\n");
    return false;
}

int misused(const std::string& text) {
    fmt::print(stderr, "postrider queue{}\nqueue: --help says more\n", text);
    return exit_usage;
}

int done(const Invocation& invocation, const std::string& action, std::optional<std::size_t> count) {
    if (!count) return exit_unavailable;
    if (invocation.json)
        fmt::print("{}\n", json{{"action", action}, {"count", *count}}.dump());
    else
        fmt::print(stderr, "queue: {}: {}\n", action, plural(*count));
    return exit_ok;
}

int dry_run_of(const Invocation& invocation, const std::string& action, const std::vector<std::string>& ids) {
    if (invocation.json) {
        fmt::print("{}\n",
                   json{{"action", action}, {"dry_run", true}, {"ids", ids}, {"count", ids.size()}}.dump());
        return exit_ok;
    }
    for (const auto& id : ids) fmt::print("{}\n", id);
    fmt::print(stderr, "postrider queue: would {} {}\n", action, plural(ids.size()));
    return exit_ok;
}

}  // namespace

int queue(const Invocation& invocation) {
    auto words = invocation.arguments;
    const bool dry_run = std::erase(words, "--dry-run") > 0;
    const bool yes = std::erase(words, "--yes") > 0;
    const auto filter = take_queue_filter(words);
    if (!filter) return misused(": " + filter.error());
    const std::string action = words.empty() ? "list" : words.front();
    if (action == "list") return list(invocation, *filter);
    const std::vector<std::string> ids(words.begin() + 1, words.end());
    if (action == "show" && !ids.empty()) {
        if (invocation.json) return show_as_json(invocation, ids);
        Invocation inner = invocation;
        inner.arguments = ids;
        inner.arguments.insert(inner.arguments.begin(), "-q");
        return postcat(inner);
    }
    if (std::ranges::find(actions, action) == std::end(actions))
        return misused(action == "show" ? " show: which messages? Name queue ids"
                                        : ": there is no '" + action + "'");
    if (ids.empty() && !filter->any())
        return misused(" " + action + ": which messages? Name queue ids, ALL, or a filter");
    if (!filter->any() && !dry_run) {
        const bool all = is_all(ids);
        const auto count = all ? count_all(invocation) : std::optional(ids.size());
        if (!count) return exit_unavailable;
        if (!agreed(action, *count, yes)) return exit_failed;
        const auto changed =
            change_queue(invocation, {action, all ? std::vector<std::string>{} : ids, all, ""});
        const int status = done(invocation, action, changed);
        if (status != exit_ok || all || *changed > 0) return status;
        fmt::print(stderr, "queue: no such message: {}\n", fmt::join(ids, " "));
        return exit_failed;
    }
    const auto chosen = choose(invocation, *filter, ids);
    if (!chosen) return exit_unavailable;
    if (dry_run) return dry_run_of(invocation, action, *chosen);
    if (!agreed(action, chosen->size(), yes)) return exit_failed;
    return done(invocation, action, change_in_parts(invocation, action, *chosen));
}

}  // namespace commands
