// mailq, postqueue, postsuper, postcat: Postfix's queue tools, with its output, options and exit statuses.
#include "base/base64.hpp"
#include "base/text.hpp"
#include "commands/queue_change.hpp"
#include "commands/queued_messages.hpp"
#include "commands/verb.hpp"
#include "queue/queue_id.hpp"

#include <algorithm>
#include <ctime>
#include <fmt/format.h>
#include <iostream>

namespace commands {

using nlohmann::json;

namespace {

int print_queue(const Invocation& invocation, bool as_json) {
    QueueTable table(QueueTable::Form::Postfix);
    const std::int64_t now = std::time(nullptr);
    const bool listed = list_messages(invocation, "postqueue", [&](const json& line) {
        if (as_json)
            fmt::print("{}\n", postqueue_json(line));
        else
            table.row(line, now);
    });
    if (!listed) return exit_unavailable;
    if (!as_json) table.end();
    return exit_ok;
}

int postqueue_misused() {
    fmt::print(stderr,
               "postqueue: fatal: usage: postqueue -f | postqueue -i queueid | postqueue -j | postqueue "
               "-p | postqueue -s site\n");
    return exit_unavailable;
}

struct SuperAction {
    std::string_view action, each, total;
};

/// What one letter of postsuper does, in Postfix's words.
std::vector<SuperAction> super_actions(char letter) {
    constexpr SuperAction expire{"expire", "expired", "Force-expired"},
        release{"release", "released from hold", "Released from hold"};
    switch (letter) {
        case 'd':
            return {{"delete", "removed", "Deleted"}};
        case 'h':
            return {{"hold", "placed on hold", "Placed on hold"}};
        case 'H':
            return {release};
        case 'r':
            return {{"requeue", "requeued", "Requeued"}};
        case 'e':
            return {expire};
        case 'f':
            return {expire, release};
        default:
            return {};
    }
}

int postsuper_misused(const std::string& why) {
    if (!why.empty()) fmt::print(stderr, "postsuper: {}\n", why);
    fmt::print(
        stderr,
        "postsuper: fatal: usage: postsuper [-c config_dir] [-d queue_id (delete)] [-e queue_id (expire)] "
        "[-f "
        "queue_id (expire and/or un-hold)] [-h queue_id (hold)] [-H queue_id (un-hold)] [-p (purge temporary "
        "files)] [-r queue_id (requeue)] [-s (structure fix)] [-S (redundant structure fix)][-v (verbose)] "
        "[queue...]\n");
    return exit_failed;
}

struct SuperOrder {
    char letter;
    std::vector<std::string> ids;
    bool all = false;
};

void add_id(SuperOrder& order, std::string_view id) {
    if (queue::QueueId::parse(id))
        order.ids.emplace_back(id);
    else
        fmt::print(stderr, "postsuper: warning: invalid mail queue id: {}\n", base::printable(id, 100));
}

/// Each queue named after the options, or all of them at once.
std::optional<std::size_t> obey_for_all(const Invocation& invocation, std::string_view action,
                                        const std::vector<std::string>& queues) {
    std::size_t out = 0;
    const std::vector<std::string> everywhere{""};
    for (const auto& queue : queues.empty() ? everywhere : queues) {
        const auto count = change_queue(invocation, {std::string(action), {}, true, queue});
        if (!count) return std::nullopt;
        out += *count;
    }
    return out;
}

int obey(const Invocation& invocation, const SuperOrder& order, const std::vector<std::string>& queues) {
    for (const auto& [action, each, total] : super_actions(order.letter)) {
        std::size_t count = 0;
        if (order.all) {
            const auto changed = obey_for_all(invocation, action, queues);
            if (!changed) return exit_failed;
            count = *changed;
        }
        for (const auto& id : order.ids) {
            const auto changed = change_queue(invocation, {std::string(action), {id}, false, ""});
            if (!changed) return exit_failed;
            if (*changed > 0) fmt::print(stderr, "postsuper: {}: {}\n", id, each);
            count += *changed;
        }
        fmt::print(stderr, "postsuper: {}: {} message{}\n", total, count, count == 1 ? "" : "s");
    }
    return exit_ok;
}

/// Prints a message's lines: header, the empty line and the body, as asked.
class ContentPrinter {
 public:
    ContentPrinter(bool header, bool body) : header_(header), body_(body) {}
    void take(std::string_view octets) {
        kept_ += octets;
        std::size_t begin = 0;
        for (auto end = kept_.find('\n'); end != std::string::npos; end = kept_.find('\n', begin)) {
            line(std::string_view(kept_).substr(begin, end - begin));
            begin = end + 1;
        }
        kept_.erase(0, begin);
    }
    void end() {
        if (!kept_.empty()) line(kept_);
    }

 private:
    void line(std::string_view text) {
        if (text.ends_with('\r')) text.remove_suffix(1);
        if (text.empty()) in_header_ = false;
        if (in_header_ ? header_ : body_) fmt::print("{}\n", text);
    }
    bool header_, body_, in_header_ = true;
    std::string kept_;
};

struct Parts {
    bool envelope = false, header = false, body = false;
};

void print_attribute(const json& line, const char* name) {
    const std::string value = clean(line, name);
    if (!value.empty()) fmt::print("named_attribute: {}={}\n", name, value);
}

void print_envelope(const json& line) {
    const std::string where = clean(line, "queue_name") + "/" + clean(line, "queue_id");
    const auto size = line.value("message_size", std::uint64_t{0});
    const auto time = local_time(line.value("arrival_time", std::int64_t{0}), Year::Yes);
    fmt::print("*** ENVELOPE RECORDS {} ***\n", where);
    fmt::print("message_size: {:>15} {:>15} {:>15} {:>15} {:>15} {:>15}\n", size, 0,
               line["recipients"].size(), 0, size, line.value("smtputf8", false) ? 1 : 0);
    fmt::print("message_arrival_time: {}\ncreate_time: {}\nsender: {}\n", time, time, clean(line, "sender"));
    for (const auto* name :
         {"client_name", "client_address", "helo_name", "protocol_name", "sasl_method", "sasl_username"})
        print_attribute(line, name);
    for (const auto& recipient : line["recipients"]) {
        const std::string dsn = clean(recipient, "dsn_original");
        if (!dsn.empty()) fmt::print("named_attribute: dsn_orig_rcpt={}\n", dsn);
        fmt::print("original_recipient: {}\nrecipient: {}\n", clean(recipient, "original"),
                   clean(recipient, "address"));
    }
    fmt::print("*** MESSAGE CONTENTS {} ***\n", where);
}

int print_message(const Invocation& invocation, const std::string& id, Parts parts) {
    ContentPrinter content(parts.header, parts.body);
    std::string where = id;
    const auto shown = show_message(invocation, "postcat", id, [&](const json& line) {
        if (!line.contains("content")) {
            where = clean(line, "queue_name") + "/" + clean(line, "queue_id");
            if (parts.envelope) print_envelope(line);
        } else if (const auto octets = base::base64_decode(line["content"].get<std::string>())) {
            content.take(*octets);
        }
    });
    if (shown == Shown::NoSuchMessage)
        fmt::print(stderr, "postcat: fatal: open queue file {}: No such file or directory\n",
                   base::printable(id, 100));
    if (shown != Shown::Yes) return exit_failed;
    content.end();
    if (parts.envelope)
        fmt::print("*** HEADER EXTRACTED {} ***\n*** MESSAGE FILE END {} ***\n", where, where);
    return exit_ok;
}

}  // namespace

int mailq(const Invocation& invocation) { return print_queue(invocation, invocation.json); }

int postqueue(const Invocation& invocation) {
    std::vector<std::string> words = invocation.arguments;
    std::erase(words, "-v");
    const std::string what = words.empty() ? "" : words.front();
    if (invocation.json || what == "-j") return print_queue(invocation, true);
    if (what == "-p") return print_queue(invocation, false);
    const auto flushed = [](std::optional<std::size_t> done) { return done ? exit_ok : exit_unavailable; };
    if (what == "-f") return flushed(change_queue(invocation, {"flush", {}, true, ""}));
    if (words.size() == 2 && what == "-i") {
        if (queue::QueueId::parse(words[1]))
            return flushed(change_queue(invocation, {"flush", {words[1]}, false, ""}));
        fmt::print(stderr, "postqueue: fatal: Cannot flush queue ID - invalid name: \"{}\"\n",
                   base::printable(words[1], 100));
        return exit_unavailable;
    }
    if (words.size() == 2 && what == "-s") {
        const json request{{"verb", "flush-site"}, {"site", words[1]}};  // ETRN's work
        return ask(invocation, request, [](const json&) {}) ? exit_ok : exit_unavailable;
    }
    if (what.starts_with('-') && what.size() == 2 &&
        std::string_view("is").find(what[1]) == std::string_view::npos)
        fmt::print(stderr, "postqueue: invalid option -- '{}'\n", base::printable(what.substr(1), 1));
    return postqueue_misused();
}

int postsuper(const Invocation& invocation) {
    const auto& words = invocation.arguments;
    std::vector<SuperOrder> orders;
    std::vector<std::string> queues;
    constexpr std::string_view known[] = {"hold", "incoming", "active", "deferred", "maildrop", "corrupt"};
    for (std::size_t i = 0; i < words.size(); ++i) {
        const std::string& word = words[i];
        if (!word.starts_with('-')) {
            if (std::ranges::find(known, word) == std::end(known)) {
                fmt::print(stderr, "postsuper: fatal: invalid directory name: {}\n",
                           base::printable(word, 100));
                return exit_failed;
            }
            // What is not taken in yet, or is not mail, holds no message of ours.
            queues.push_back(word == "maildrop" || word == "corrupt" ? "incoming" : word);
            continue;
        }
        if (word == "-p" || word == "-s" || word == "-S" || word == "-v")
            continue;  // the store needs none of it
        const char letter = word.size() > 1 ? word[1] : '-';
        if (super_actions(letter).empty())
            return postsuper_misused(fmt::format("invalid option -- '{}'", letter));
        std::string value = word.substr(2);
        if (value.empty() && i + 1 < words.size()) value = words[++i];
        if (value.empty())
            return postsuper_misused(fmt::format("option requires an argument -- '{}'", letter));
        SuperOrder order{letter, {}, value == "ALL"};
        if (value == "-")
            for (std::string line; std::getline(std::cin, line);)
                for (const auto id : base::split_any(line, " \t\r")) add_id(order, id);
        else if (!order.all)
            add_id(order, value);
        orders.push_back(std::move(order));
    }
    for (const auto& order : orders)
        if (const int status = obey(invocation, order, queues); status != exit_ok) return status;
    return exit_ok;
}

int postcat(const Invocation& invocation) {
    std::vector<std::string> ids;
    Parts parts;
    for (const auto& word : invocation.arguments) {
        if (!word.starts_with('-')) {
            ids.push_back(word);
            continue;
        }
        for (const char letter : word.substr(1)) {
            if (letter == 'e')
                parts.envelope = true;
            else if (letter == 'h')
                parts.header = true;
            else if (letter == 'b')
                parts.body = true;
            else if (std::string_view("qvdoru").find(letter) == std::string_view::npos) {
                fmt::print(stderr,
                           "postcat: invalid option -- '{}'\npostcat: fatal: usage: postcat [-b (body text)] "
                           "[-c config_dir] [-e (envelope records)] [-h (header text)] [-q (access queue)] "
                           "[-v] [file(s)...]\n",
                           letter);
                return exit_failed;
            }
        }
    }
    if (!parts.envelope && !parts.header && !parts.body) parts = {true, true, true};
    for (const auto& id : ids)
        if (const int status = print_message(invocation, id, parts); status != exit_ok) return status;
    return exit_ok;
}

}  // namespace commands
