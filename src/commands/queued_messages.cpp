#include "commands/queued_messages.hpp"

#include "app/queued_message_json.hpp"
#include "base/base64.hpp"
#include "base/text.hpp"
#include "commands/real_world.hpp"
#include "platform/rocks_store.hpp"
#include "queue/store_content.hpp"

#include <ctime>
#include <fmt/format.h>

namespace commands {

using nlohmann::json;

namespace {

/// The store of a server that is down.
class StoredQueue {
 public:
    explicit StoredQueue(std::shared_ptr<platform::RocksDatabase> database)
        : store_(std::move(database), world_.loop) {}
    bool list(const OnLine& on_line) { return world_.run(list_all(on_line)) == exit_ok; }
    Shown show(const std::string& text, const OnLine& on_line) {
        const auto id = queue::QueueId::parse(text);
        if (!id) return Shown::NoSuchMessage;
        const int status = world_.run(show_one(*id, on_line));
        return status == exit_ok ? Shown::Yes : status == exit_no_user ? Shown::NoSuchMessage : Shown::No;
    }

 private:
    env::Task<int> list_all(const OnLine& on_line) {
        constexpr std::size_t page = 1000;
        queue::QueueId last;
        for (;;) {
            auto ids = co_await queue::stored_ids(store_, last, page);
            if (!ids) co_return exit_failed;
            if (ids->empty()) co_return exit_ok;
            last = ids->back();
            for (const auto& id : *ids) {
                auto message = co_await queue::describe_stored(store_, id);
                if (message) on_line(app::queued_message_json(*message));
            }
        }
    }
    env::Task<int> show_one(queue::QueueId id, const OnLine& on_line) {
        auto message = co_await queue::describe_stored(store_, id);
        if (!message) co_return exit_no_user;
        on_line(app::queued_message_json(*message));
        auto bytes = co_await store_.read(env::Keyspace::Envelopes, queue::envelope_key(id));
        if (!bytes || !*bytes) co_return exit_failed;
        const auto record = queue::decode_envelope(**bytes);
        if (!record) co_return exit_failed;
        queue::StoreContent content(store_, id, *record);
        for (;;) {
            auto piece = co_await content.next();
            if (!piece) co_return exit_failed;
            if (piece->empty()) co_return exit_ok;
            json line = json::object();
            line["content"] = base::base64_encode(*piece);
            on_line(line);
        }
    }
    RealWorld world_;
    platform::RocksStore store_;
};

std::unique_ptr<StoredQueue> open_stored(const Invocation& invocation, std::string_view name) {
    const auto site = read_site(invocation.directory);
    if (!site) return nullptr;
    auto database =
        platform::RocksDatabase::open_for_reading(program_options(*site).store_directory + "/store");
    if (!database) {
        fmt::print(stderr, "{}: fatal: Queue report unavailable - mail system is down ({})\n", name,
                   database.error());
        return nullptr;
    }
    fmt::print(stderr, "{}: warning: Mail system is down -- accessing queue directly, to read only\n", name);
    return std::make_unique<StoredQueue>(std::move(*database));
}

}  // namespace

bool list_messages(const Invocation& invocation, std::string_view name, const OnLine& on_line) {
    const auto answered = try_asking(invocation, json{{"verb", "list"}}, on_line);
    if (answered) return true;
    if (answered.error().kind != ServerTrouble::Kind::Down) {
        fmt::print(stderr, "{}: fatal: {}\n", name, answered.error().text);
        return false;
    }
    const auto stored = open_stored(invocation, name);
    return stored && stored->list(on_line);
}

Shown show_message(const Invocation& invocation, std::string_view name, const std::string& id,
                   const OnLine& on_line) {
    bool found = false;
    const auto answered = try_asking(invocation, json{{"verb", "show"}, {"id", id}}, [&](const json& line) {
        found = true;
        on_line(line);
    });
    if (answered) return found ? Shown::Yes : Shown::NoSuchMessage;
    if (answered.error().kind == ServerTrouble::Kind::Down) {
        const auto stored = open_stored(invocation, name);
        return stored ? stored->show(id, on_line) : Shown::No;
    }
    if (!found && answered.error().kind == ServerTrouble::Kind::Failed) return Shown::NoSuchMessage;
    fmt::print(stderr, "{}: fatal: {}\n", name, answered.error().text);
    return Shown::No;
}

std::string local_time(std::int64_t seconds, Year year) {
    const std::time_t at = seconds;
    std::tm local{};
    ::localtime_r(&at, &local);
    char text[60];
    const char* format = year == Year::Yes ? "%a %b %e %H:%M:%S %Y" : "%a %b %e %H:%M:%S";
    return {text, std::strftime(text, sizeof text, format, &local)};
}

std::string clean(const json& line, const char* key) {
    return base::printable(line.value(key, std::string()));
}

std::string postqueue_json(const json& line) {
    const auto text = [](const json& value) {
        return value.dump(-1, ' ', false, json::error_handler_t::replace);
    };
    const std::string sender = line.value("sender", "");
    std::string recipients;
    for (const auto& one : line["recipients"]) {
        recipients +=
            fmt::format("{}{{\"address\": {}", recipients.empty() ? "" : ", ", text(one["address"]));
        const std::string reason = one.value("delay_reason", "");
        if (!reason.empty()) recipients += ", \"delay_reason\": " + text(one["delay_reason"]);
        recipients += "}";
    }
    return fmt::format(
        R"({{"queue_name": {}, "queue_id": {}, "arrival_time": {}, "message_size": {}, "forced_expire": {}, "sender": {}, "recipients": [{}]}})",
        text(line["queue_name"]), text(line["queue_id"]), line.value("arrival_time", std::int64_t{0}),
        line.value("message_size", std::uint64_t{0}), line.value("forced_expire", false),
        text(sender.empty() ? json("MAILER-DAEMON") : line["sender"]), recipients);
}

void QueueTable::row(const json& line, std::int64_t now) {
    if (count_++ == 0)
        fmt::print("{:<17} {:>8} {:<19} {}\n", "----Queue ID-----", "--Size--", "---Arrival Time----",
                   "--Sender/Recipient------");
    const std::string state = line.value("queue_name", "");
    const char mark = line.value("forced_expire", false) ? '#'
                      : state == "active"                ? '*'
                      : state == "hold"                  ? '!'
                                                         : ' ';
    const std::uint64_t size = line.value("message_size", std::uint64_t{0});
    octets_ += size;
    const std::string sender = clean(line, "sender");
    fmt::print("{:<17} {:>8} {:<19} {}\n", line.value("queue_id", "") + mark, size,
               local_time(line.value("arrival_time", std::int64_t{0}), Year::No),
               sender.empty() ? "MAILER-DAEMON" : sender);
    const auto left = line.value("next_attempt", std::int64_t{0}) - now;
    std::string reason;
    for (const auto& recipient : line["recipients"]) {
        std::string why = clean(recipient, "delay_reason");
        if (form_ == Form::Told && !why.empty()) {
            if (recipient.value("greylisted", false)) why = "greylisted: " + why;
            if (state == "deferred")
                why += fmt::format("; next attempt in {} s", std::max<std::int64_t>(left, 0));
        }
        if (why != reason && !why.empty())
            fmt::print("{:>{}}({})\n", "", why.size() < 76 ? 76 - why.size() : 1, why);
        reason = why;
        fmt::print("{:<17} {:>8} {:<19} {}\n", "", "", "", clean(recipient, "address"));
    }
    fmt::print("\n");
}

void QueueTable::end() const {
    if (count_ == 0)
        fmt::print("Mail queue is empty\n");
    else
        fmt::print("-- {} Kbytes in {} Request{}.\n", octets_ / 1024, count_, count_ == 1 ? "" : "s");
}

}  // namespace commands
