#include "platform/asio_network.hpp"

#include "platform/system.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <string>

namespace platform {
namespace {

using namespace std::chrono_literals;

/// A connected pair of TCP sockets on loopback, and a loop that runs until the test's task is done.
struct Pair {
    SystemClock clock;
    AsioLoop loop{clock};
    AsioNetwork network{loop};
    std::unique_ptr<env::Listener> listener;
    std::unique_ptr<env::Stream> client, server;
    std::string log;

    env::SteadyTime within(env::Duration time) { return clock.steady() + time; }

    env::Task<void> join() {
        listener = *network.listen({*env::IpAddress::parse("127.0.0.1"), 0, {}});
        const env::Endpoint at = listener->local();
        const env::ConnectOptions plain;
        auto connected = co_await network.connect(at, plain, within(5s));
        EXPECT_TRUE(connected.has_value());
        client = std::move(*connected);
        auto accepted = co_await listener->accept();
        server = std::move(*accepted);
    }
    env::Task<void> then_stop(env::Task<void> work) {
        co_await join();
        co_await work;
        client.reset();
        server.reset();
        listener.reset();
        loop.stop();
    }
    void run(env::Task<void> work) {
        loop.spawn(then_stop(std::move(work)));
        loop.run();
        loop.destroy_tasks();
    }
    env::Task<void> note_read(std::string name, env::SteadyTime deadline) {
        std::string room(4096, '\0');
        auto got = co_await server->read_some(room, deadline);
        log +=
            name + (got ? "=" + room.substr(0, *got) : fmt::format("!{}", env::to_text(got.error()))) + ";";
    }
};

env::Task<void> data_and_end(Pair& pair) {
    const std::string text = "hello";
    co_await pair.client->write(text, pair.within(5s));
    co_await pair.client->shutdown(pair.within(5s));
    auto ready = co_await pair.server->wait_readable(pair.within(5s));
    EXPECT_TRUE(ready.has_value());
    co_await pair.loop.sleep(5ms);  // data and end are both there: one event for both
    co_await pair.note_read("first", pair.within(5s));
    co_await pair.note_read("second", pair.within(5s));
    ready = co_await pair.server->wait_readable(pair.within(5s));
    EXPECT_TRUE(ready.has_value()) << "an end stays readable";
}

TEST(AsioNetwork, AnEndBehindDataIsSeen) {
    Pair pair;
    pair.run(data_and_end(pair));
    EXPECT_EQ(pair.log, "first=hello;second=;");
}

env::Task<void> many_short_reads(Pair& pair) {
    std::string sent, received;
    for (int i = 0; i < 200; ++i) {
        const std::string piece(static_cast<std::size_t>(1 + i * 37 % 5000), static_cast<char>('a' + i % 26));
        sent += piece;
        co_await pair.client->write(piece, pair.within(5s));
        while (received.size() < sent.size()) {
            std::string room(static_cast<std::size_t>(1 + i % 7 * 300), '\0');
            auto got = co_await pair.server->read_some(room, pair.within(5s));
            EXPECT_TRUE(got.has_value() && *got > 0);
            if (!got || *got == 0) co_return;
            received.append(room, 0, *got);
        }
    }
    EXPECT_EQ(received, sent);
}

TEST(AsioNetwork, EveryOctetArrivesHoweverItIsRead) {
    Pair pair;
    pair.run(many_short_reads(pair));
}

env::Task<void> deadlines(Pair& pair) {
    co_await pair.note_read("late", pair.within(1ms));
    std::string flood(8U << 20, 'x');
    auto sent = co_await pair.client->write(flood, pair.within(50ms));
    EXPECT_EQ(sent, std::unexpected(env::IoError::TimedOut)) << "nobody reads";
    std::string room(1U << 20, '\0');
    auto got = co_await pair.server->read_some(room, pair.within(5s));
    EXPECT_TRUE(got.has_value() && *got > 0) << "the socket is as good as before";
}

TEST(AsioNetwork, DeadlinesEndWaits) {
    Pair pair;
    pair.run(deadlines(pair));
    EXPECT_EQ(pair.log, fmt::format("late!{};", env::to_text(env::IoError::TimedOut)));
}

env::Task<void> close_under_a_reader(Pair& pair) {
    pair.loop.spawn(pair.note_read("waiting", pair.within(5s)));
    co_await pair.loop.sleep(2ms);
    co_await pair.note_read("second", pair.within(5s));  // one wait a direction
    pair.server->close();
    pair.log += "closed;";
    co_await pair.loop.sleep(2ms);
    co_await pair.note_read("after", pair.within(5s));
}

TEST(AsioNetwork, ClosingWakesTheReaderLater) {
    Pair pair;
    pair.run(close_under_a_reader(pair));
    EXPECT_EQ(pair.log,
              fmt::format("second!{};closed;waiting!{};after!{};", env::to_text(env::IoError::Other),
                          env::to_text(env::IoError::Closed), env::to_text(env::IoError::Closed)));
}

env::Task<void> close_each_other(Pair& pair) {
    // Both are readable at one go; whoever is first closes the other.
    const std::string text = "x";
    co_await pair.client->write(text, pair.within(5s));
    co_await pair.server->write(text, pair.within(5s));
    auto ready = co_await pair.server->wait_readable(pair.within(5s));
    EXPECT_TRUE(ready.has_value());
    pair.client.reset();
    std::string room(16, '\0');
    auto got = co_await pair.server->read_some(room, pair.within(5s));
    EXPECT_TRUE(got.has_value());
}

TEST(AsioNetwork, AStreamMayDieWhileItsEventWaits) {
    Pair pair;
    pair.run(close_each_other(pair));
}

env::Task<void> connect_to_nobody(Pair& pair) {
    pair.listener->close();
    const env::Endpoint at{*env::IpAddress::parse("127.0.0.1"), 1, {}};
    const env::ConnectOptions plain;
    auto connected = co_await pair.network.connect(at, plain, pair.within(5s));
    EXPECT_TRUE(!connected && connected.error() == env::IoError::Refused);
}

TEST(AsioNetwork, ARefusedConnectionSaysSo) {
    Pair pair;
    pair.run(connect_to_nobody(pair));
}

}  // namespace
}  // namespace platform
