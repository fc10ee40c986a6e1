// queue, mailq, postqueue, postsuper, postcat: the queue tools, which ask the running server.
#include "base/base64.hpp"
#include "base/text.hpp"
#include "commands/queue_filter.hpp"
#include "commands/site_loader.hpp"
#include "commands/verb.hpp"

#include <algorithm>
#include <ctime>
#include <fmt/format.h>
#include <iostream>
#include <unistd.h>

namespace commands {

using nlohmann::json;

namespace {

std::string arrival_time(std::int64_t seconds) {
    const std::time_t at = seconds;
    std::tm local{};
    ::localtime_r(&at, &local);
    char text[40];
    return {text, std::strftime(text, sizeof text, "%a %b %e %H:%M:%S", &local)};
}

// A control octet in an address must not move the terminal's cursor.
std::string clean(const json& line, const char* key) {
    return base::printable(line.value(key, std::string()));
}

/// showq(8)'s table, with the columns of long queue ids.
class QueueTable {
 public:
    void row(const json& line) {
        if (count_++ == 0)
            fmt::print("{:<17} {:>8} {:<19} {}\n", "-Queue ID-", "--Size--", "----Arrival Time----",
                       "-Sender/Recipient------");
        const std::string state = line.value("queue_name", "");
        const char mark = state == "active" ? '*' : state == "hold" ? '!' : ' ';
        const std::uint64_t size = line.value("message_size", std::uint64_t{0});
        octets_ += size;
        const std::string sender = clean(line, "sender");
        fmt::print("{:<17} {:>8} {:<19} {}\n", line.value("queue_id", "") + mark, size,
                   arrival_time(line.value("arrival_time", std::int64_t{0})),
                   sender.empty() ? "MAILER-DAEMON" : sender);
        std::string reason;
        for (const auto& recipient : line["recipients"]) {
            const std::string why = clean(recipient, "delay_reason");
            if (why != reason && !why.empty())
                fmt::print("{:>{}}({})\n", "", why.size() < 76 ? 76 - why.size() : 1, why);
            reason = why;
            fmt::print("{:<17} {:>8} {:<19} {}\n", "", "", "", clean(recipient, "address"));
        }
        fmt::print("\n");
    }
    void end() const {
        if (count_ == 0)
            fmt::print("Mail queue is empty\n");
        else
            fmt::print("-- {} Kbytes in {} Request{}.\n", octets_ / 1024, count_, count_ == 1 ? "" : "s");
    }

 private:
    std::size_t count_ = 0;
    std::uint64_t octets_ = 0;
};

int list(const Invocation& invocation, bool as_json, const QueueFilter& filter = {}) {
    QueueTable table;
    const std::int64_t now = std::time(nullptr);
    const bool answered = ask(invocation, json{{"verb", "list"}}, [&](const json& line) {
        if (filter.any() && !filter.matches(line, now)) return;
        if (as_json)
            fmt::print("{}\n", line.dump(-1, ' ', false, json::error_handler_t::replace));
        else
            table.row(line);
    });
    if (!answered) return exit_unavailable;
    if (!as_json) table.end();
    return exit_ok;
}

struct Change {
    std::string action;
    std::vector<std::string> ids;
    bool all = false;
    std::string state;  // with `all`: only messages in this state
};

int change(const Invocation& invocation, const Change& what, std::string_view done) {
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
    if (!answered) return exit_unavailable;
    if (!done.empty())
        fmt::print(stderr, "{}: {}: {} message{}\n", invocation.name, done, count, count == 1 ? "" : "s");
    if (!what.all && count == 0 && !what.ids.empty()) {
        fmt::print(stderr, "{}: no such message: {}\n", invocation.name, fmt::join(what.ids, " "));
        return exit_failed;
    }
    return exit_ok;
}

int show(const Invocation& invocation, const std::vector<std::string>& ids, bool envelope, bool header,
         bool body) {
    for (const auto& id : ids) {
        bool in_header = true;
        bool found = false;
        std::string kept;
        const auto print_content = [&](std::string_view octets) {
            kept += octets;
            std::size_t begin = 0;
            for (auto end = kept.find('\n'); end != std::string::npos; end = kept.find('\n', begin)) {
                std::string_view text = std::string_view(kept).substr(begin, end - begin);
                if (text.ends_with('\r')) text.remove_suffix(1);
                if (in_header ? header : body) fmt::print("{}\n", text);
                if (text.empty()) in_header = false;
                begin = end + 1;
            }
            kept.erase(0, begin);
        };
        const bool answered = ask(invocation, json{{"verb", "show"}, {"id", id}}, [&](const json& line) {
            found = true;
            if (line.contains("content")) {
                if (const auto octets = base::base64_decode(line["content"].get<std::string>()))
                    print_content(*octets);
                return;
            }
            if (!envelope) return;
            fmt::print("*** ENVELOPE RECORDS {}/{} ***\n", clean(line, "queue_name"),
                       clean(line, "queue_id"));
            fmt::print("message_size: {}\nmessage_arrival_time: {}\nsender: {}\n",
                       line.value("message_size", std::uint64_t{0}),
                       arrival_time(line.value("arrival_time", std::int64_t{0})), clean(line, "sender"));
            for (const auto& recipient : line["recipients"])
                fmt::print("recipient: {}\n", clean(recipient, "address"));
            fmt::print("*** MESSAGE CONTENTS {}/{} ***\n", clean(line, "queue_name"),
                       clean(line, "queue_id"));
        });
        if (!answered || !found) return exit_failed;
        if (!kept.empty() && (in_header ? header : body)) fmt::print("{}\n", kept);
        if (envelope) fmt::print("*** MESSAGE FILE END {} ***\n", id);
    }
    return exit_ok;
}

bool is_all(const std::vector<std::string>& ids) { return std::ranges::find(ids, "ALL") != ids.end(); }

/// The ids that fit; of those named, when some are named. nullopt: the server does not answer.
std::optional<std::vector<std::string>> choose(const Invocation& invocation, const QueueFilter& filter,
                                               const std::vector<std::string>& named) {
    std::vector<std::string> out;
    const std::int64_t now = std::time(nullptr);
    const bool everything = named.empty() || is_all(named);
    const bool answered = ask(invocation, json{{"verb", "list"}}, [&](const json& line) {
        std::string id = line.value("queue_id", "");
        const bool wanted = everything || std::ranges::find(named, id) != named.end();
        if (wanted && (!filter.any() || filter.matches(line, now))) out.push_back(std::move(id));
    });
    return answered ? std::optional(std::move(out)) : std::nullopt;
}

/// Many messages in parts, so that the server goes on with mail in between and a terminal sees how far it is.
int change_in_parts(const Invocation& invocation, const std::string& action,
                    const std::vector<std::string>& ids) {
    constexpr std::size_t part = 1000;
    const bool terminal = ::isatty(STDERR_FILENO) != 0;
    for (std::size_t at = 0; at < ids.size(); at += part) {
        const auto end = std::min(at + part, ids.size());
        const auto from = ids.begin() + static_cast<std::ptrdiff_t>(at),
                   to = ids.begin() + static_cast<std::ptrdiff_t>(end);
        if (const int status = change(invocation, {action, {from, to}, false, ""}, "");
            status == exit_unavailable)
            return status;
        if (terminal && ids.size() > part) fmt::print(stderr, "\r{} of {} ", end, ids.size());
    }
    if (terminal && ids.size() > part) fmt::print(stderr, "\n");
    fmt::print(stderr, "{}: {}: {} message{}\n", invocation.name, action, ids.size(),
               ids.size() == 1 ? "" : "s");
    return exit_ok;
}

int misused(const Invocation& invocation, std::string_view usage) {
    fmt::print(stderr, "{}\n{}: --help says more\n", usage, invocation.name);
    return exit_usage;
}

}  // namespace

int queue(const Invocation& invocation) {
    auto words = invocation.arguments;
    const bool dry_run = std::erase(words, "--dry-run") > 0;
    const auto filter = take_queue_filter(words);
    if (!filter) return misused(invocation, "postrider queue: " + filter.error());
    const std::string action = words.empty() ? "list" : words.front();
    if (action == "list") return list(invocation, invocation.json, *filter);
    constexpr std::string_view actions[] = {"flush", "hold", "release", "requeue", "delete"};
    std::vector<std::string> ids(words.begin() + 1, words.end());
    if (action == "show" && !ids.empty()) return show(invocation, ids, true, true, true);
    if (std::ranges::find(actions, action) == std::end(actions))
        return misused(invocation, action == "show" ? "postrider queue show: which messages? Name queue ids"
                                                    : "postrider queue: there is no '" + action + "'");
    if (ids.empty() && !filter->any())
        return misused(invocation,
                       "postrider queue " + action + ": which messages? Name queue ids, ALL, or a filter");
    if (!filter->any() && !dry_run)
        return change(invocation, {action, is_all(ids) ? std::vector<std::string>{} : ids, is_all(ids), ""},
                      action);
    const auto chosen = choose(invocation, *filter, ids);
    if (!chosen) return exit_unavailable;
    if (dry_run) {
        for (const auto& id : *chosen) fmt::print("{}\n", id);
        fmt::print(stderr, "postrider queue: would {} {} message{}\n", action, chosen->size(),
                   chosen->size() == 1 ? "" : "s");
        return exit_ok;
    }
    return change_in_parts(invocation, action, *chosen);
}

int mailq(const Invocation& invocation) { return list(invocation, invocation.json); }

int postqueue(const Invocation& invocation) {
    const auto& words = invocation.arguments;
    const std::string what = words.empty() ? "" : words.front();
    if (what == "-p") return list(invocation, false);
    if (what == "-j") return list(invocation, true);
    if (what == "-f") return change(invocation, {"flush", {}, true, ""}, "");
    if (what == "-i" && words.size() == 2) return change(invocation, {"flush", {words[1]}, false, ""}, "");
    if (what == "-s" && words.size() == 2) {
        std::vector<std::string> ids;
        const std::string domain = "@" + base::lower(words[1]);
        const bool answered = ask(invocation, json{{"verb", "list"}}, [&](const json& line) {
            for (const auto& recipient : line["recipients"])
                if (base::lower(recipient.value("address", "")).ends_with(domain)) {
                    ids.push_back(line.value("queue_id", ""));
                    return;
                }
        });
        if (!answered) return exit_unavailable;
        return ids.empty() ? exit_ok : change(invocation, {"flush", ids, false, ""}, "");
    }
    return misused(invocation, "usage: postqueue [-c DIR] -p | -j | -f | -i ID | -s SITE");
}

int postsuper(const Invocation& invocation) {
    const auto& words = invocation.arguments;
    std::vector<Change> changes;
    const auto action_of = [](const std::string& flag) -> std::string {
        return flag == "-d"   ? "delete"
               : flag == "-h" ? "hold"
               : flag == "-H" ? "release"
               : flag == "-r" ? "requeue"
               : flag == "-f" ? "flush"
                              : "";
    };
    for (std::size_t i = 0; i < words.size(); ++i) {
        const std::string action = action_of(words[i]);
        if (!action.empty() && i + 1 < words.size()) {
            const std::string& id = words[++i];
            if (id == "-") {
                Change change{action, {}, false, ""};
                for (std::string line; std::getline(std::cin, line);)
                    if (const auto trimmed = base::trim(line); !trimmed.empty())
                        change.ids.emplace_back(trimmed);
                changes.push_back(std::move(change));
            } else if (id == "ALL") {
                changes.push_back({action, {}, true, ""});
            } else {
                changes.push_back({action, {id}, false, ""});
            }
        } else if (words[i] == "-p" || words[i] == "-s") {
            continue;  // purge and structure check: the store does both when it opens
        } else if (!words[i].starts_with('-') && !changes.empty()) {
            for (auto& change : changes) change.state = words[i];
        } else {
            return misused(invocation, "usage: postsuper [-c DIR] -d|-h|-H|-r ID|ALL|- [QUEUE]");
        }
    }
    if (changes.empty()) return misused(invocation, "usage: postsuper [-c DIR] -d|-h|-H|-r ID|ALL|- [QUEUE]");
    for (const auto& one : changes) {
        const std::string_view done = one.action == "delete"    ? "Deleted"
                                      : one.action == "hold"    ? "Placed on hold"
                                      : one.action == "release" ? "Released from hold"
                                                                : "Requeued";
        if (const int status = change(invocation, one, done); status != exit_ok) return status;
    }
    return exit_ok;
}

int postcat(const Invocation& invocation) {
    std::vector<std::string> ids;
    bool envelope = false, header = false, body = false;
    for (const auto& word : invocation.arguments) {
        if (word == "-q" || word == "-v") continue;
        if (!word.starts_with('-'))
            ids.push_back(word);
        else
            for (const char letter : word.substr(1)) {
                if (letter == 'e')
                    envelope = true;
                else if (letter == 'h')
                    header = true;
                else if (letter == 'b')
                    body = true;
                else if (letter != 'q' && letter != 'v')
                    return misused(invocation, "usage: postcat [-c DIR] [-behq] -q ID...");
            }
    }
    if (ids.empty()) return misused(invocation, "usage: postcat [-c DIR] [-behq] -q ID...");
    const bool any = envelope || header || body;
    return show(invocation, ids, any ? envelope : true, any ? header : true, any ? body : true);
}

}  // namespace commands
