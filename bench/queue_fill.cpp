// bench/queue_scale's first step: fills a store with deferred messages, through the queue's own encoders and
// the real store. The server must be down.
//
//     queue_fill FOLDER COUNT SECONDS      FOLDER: …/postrider/store; SECONDS: when they are due, from now
#include "base/text.hpp"
#include "commands/real_world.hpp"
#include "commands/verb.hpp"
#include "platform/rocks_store.hpp"
#include "queue/queue_id_source.hpp"
#include "queue/record.hpp"

#include <cstdio>
#include <fmt/format.h>

namespace {

constexpr std::uint64_t destinations = 1000;
constexpr std::uint64_t messages_of_a_commit = 500;

queue::EnvelopeRecord envelope(std::uint64_t number, std::size_t size, env::WallTime now) {
    queue::EnvelopeRecord out;
    out.arrived = now;
    out.size = size;
    out.chunks = 1;
    auto& envelope = out.envelope;
    envelope.sender = mail::ReversePath(mail::Address{fmt::format("sender{}", number % 97), "example.com"});
    envelope.origin.client_address = "192.0.2.17";
    envelope.origin.client_name = "client17.example.com";
    envelope.origin.helo = "client17.example.com";
    envelope.origin.protocol = "ESMTP";
    mail::Recipient recipient;
    recipient.address = {fmt::format("recipient{}", number),
                         fmt::format("d{}.example", number % destinations)};
    recipient.original = recipient.address;
    envelope.recipients.push_back(std::move(recipient));
    return out;
}

void add(env::Batch& batch, const queue::QueueId& id, std::uint64_t number, env::WallTime now,
         std::chrono::seconds wait) {
    std::string body = fmt::format("Subject: message {}\r\n\r\n", number);
    while (body.size() < 1000) body += "a line of a message that could not be delivered yet\r\n";
    batch.put(env::Keyspace::Envelopes, queue::envelope_key(id),
              queue::encode(envelope(number, body.size(), now)));
    queue::StateRecord state;
    state.attempts = 3;
    state.next_attempt = now + wait;
    batch.put(env::Keyspace::Envelopes, queue::state_key(id), queue::encode(state));
    queue::RecipientRecord result;
    result.status = {4, 4, 1};
    result.text =
        fmt::format("connect to d{}.example[192.0.2.99]:25: Connection timed out", number % destinations);
    batch.put(env::Keyspace::Envelopes, queue::recipient_key(id, 0), queue::encode(result));
    batch.put(env::Keyspace::Bodies, queue::body_key(id, 0), std::move(body));
}

env::Task<int> fill(env::Loop& loop, platform::RocksStore& store, std::uint64_t count,
                    std::chrono::seconds wait) {
    queue::QueueIdSource ids(1, 0);
    for (std::uint64_t done = 0; done < count;) {
        env::Batch batch;
        const auto end = std::min(count, done + messages_of_a_commit);
        const auto now = loop.clock().wall();
        for (; done < end; ++done) add(batch, ids.next(now), done, now, wait);
        auto committed = co_await store.commit(std::move(batch), env::Durability::Buffered);
        if (!committed) co_return 1;
    }
    env::Batch last;
    last.put(env::Keyspace::Meta, std::string(queue::epoch_key), "1");
    auto committed = co_await store.commit(std::move(last), env::Durability::Synced);
    co_return committed ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    const auto count = argc == 4 ? base::parse_number(argv[2]) : std::nullopt;
    const auto seconds = argc == 4 ? base::parse_number(argv[3]) : std::nullopt;
    if (!count || !seconds) {
        std::fprintf(stderr, "usage: queue_fill FOLDER COUNT SECONDS\n");
        return 64;
    }
    auto database = platform::RocksDatabase::open(argv[1]);
    if (!database) {
        std::fprintf(stderr, "%s\n", database.error().c_str());
        return 1;
    }
    commands::RealWorld world;
    platform::RocksStore store(*database, world.loop);
    const int status =
        world.run(fill(world.loop, store, *count, std::chrono::seconds(static_cast<std::int64_t>(*seconds))));
    (*database)->stop();
    if (status != 0) std::fprintf(stderr, "queue_fill: the store in %s cannot be written\n", argv[1]);
    return status;
}
