#include "sim/network.hpp"

#include <algorithm>
#include <optional>

namespace sim {
namespace {

constexpr std::size_t window_octets = 64 * 1024;

/// One direction.
struct Pipe {
    std::string arrived;
    std::size_t under_way = 0;
    bool ended = false;   // the writer shut its side down, and that has arrived
    bool broken = false;  // reset: both sides
    env::SteadyTime last_arrival{};
    Wait* reader = nullptr;
    Wait* writer = nullptr;

    void wake() {
        if (reader) reader->wake();
        if (writer) writer->wake();
    }
};

struct Connection {
    Pipe pipes[2];
    void reset() {
        for (auto& pipe : pipes) {
            pipe.broken = true;
            pipe.wake();
        }
    }
};

class SimStream : public env::Stream {
 public:
    SimStream(Cables& cables, SimLoop& loop, std::shared_ptr<Connection> connection, int side,
              env::Endpoint local, env::Endpoint peer)
        : cables_(cables),
          loop_(loop),
          connection_(std::move(connection)),
          side_(side),
          local_(std::move(local)),
          peer_(std::move(peer)) {}
    ~SimStream() override { close(); }

    env::Task<std::expected<std::size_t, env::IoError>> read_some(std::span<char> into,
                                                                  env::SteadyTime deadline) override {
        auto ready = co_await wait_readable(deadline);
        if (!ready) co_return std::unexpected(ready.error());
        Pipe& in = inbound();
        if (in.arrived.empty()) co_return std::size_t{0};
        std::size_t octets = std::min(in.arrived.size(), into.size());
        if (octets > 1 && cables_.random.chance(cables_.faults.split))
            octets = cables_.random.between(1, octets);
        std::copy_n(in.arrived.begin(), octets, into.begin());
        in.arrived.erase(0, octets);
        if (in.writer) in.writer->wake();
        co_return octets;
    }

    env::Task<std::expected<void, env::IoError>> write(std::string_view bytes,
                                                       env::SteadyTime deadline) override {
        while (!bytes.empty()) {
            if (closed_) co_return std::unexpected(env::IoError::Closed);
            Pipe& out = outbound();
            if (cables_.random.chance(cables_.faults.reset)) connection_->reset();
            if (out.broken) co_return std::unexpected(env::IoError::Reset);
            const std::size_t used = out.arrived.size() + out.under_way;
            if (used >= window_octets) {
                Wait wait(loop_, deadline, &out.writer);
                const bool woken = co_await wait;
                if (!woken) co_return std::unexpected(env::IoError::TimedOut);
                continue;
            }
            const auto piece = bytes.substr(0, window_octets - used);
            bytes.remove_prefix(piece.size());
            send(std::string(piece), false);
        }
        co_return std::expected<void, env::IoError>{};
    }

    env::Task<std::expected<void, env::IoError>> wait_readable(env::SteadyTime deadline) override {
        for (;;) {
            if (closed_) co_return std::unexpected(env::IoError::Closed);
            Pipe& in = inbound();
            if (!in.arrived.empty()) co_return std::expected<void, env::IoError>{};
            if (in.broken) co_return std::unexpected(env::IoError::Reset);
            if (in.ended) co_return std::expected<void, env::IoError>{};
            Wait wait(loop_, deadline, &in.reader);
            const bool woken = co_await wait;
            if (!woken) co_return std::unexpected(env::IoError::TimedOut);
        }
    }

    env::Task<void> shutdown(env::SteadyTime) override {
        if (!closed_ && !ended_) send("", true);
        ended_ = true;
        co_return;
    }

    void close() override {
        if (closed_) return;
        closed_ = true;
        if (inbound().reader) inbound().reader->wake();
        if (outbound().writer) outbound().writer->wake();
        if (!ended_) send("", true);
        // What we have not read is lost to the other side, who is told so.
        if (inbound().writer) inbound().writer->wake();
        inbound().broken = true;
    }

    env::Endpoint local() const override { return local_; }
    env::Endpoint peer() const override { return peer_; }

 private:
    Pipe& outbound() { return connection_->pipes[side_]; }
    Pipe& inbound() { return connection_->pipes[1 - side_]; }

    void send(std::string bytes, bool end) {
        Pipe& out = outbound();
        const auto latency =
            std::chrono::microseconds(cables_.random.between(20, cables_.faults.latency_microseconds_max));
        out.last_arrival = std::max(out.last_arrival, cables_.scheduler.now() + latency);
        out.under_way += bytes.size();
        cables_.scheduler.at(nullptr, out.last_arrival,
                             [connection = connection_, side = side_, bytes = std::move(bytes), end] {
                                 Pipe& pipe = connection->pipes[side];
                                 pipe.under_way -= bytes.size();
                                 if (!pipe.broken) pipe.arrived += bytes;
                                 pipe.ended = pipe.ended || end;
                                 if (pipe.reader) pipe.reader->wake();
                             });
    }

    Cables& cables_;
    SimLoop& loop_;
    std::shared_ptr<Connection> connection_;
    int side_;
    env::Endpoint local_, peer_;
    bool ended_ = false;
    bool closed_ = false;
};

}  // namespace

class SimListener : public env::Listener {
 public:
    SimListener(Cables& cables, SimLoop& loop, env::Endpoint at)
        : cables_(cables), loop_(loop), at_(std::move(at)) {
        cables_.listeners[at_] = this;
    }
    ~SimListener() override { close(); }

    env::Task<std::expected<std::unique_ptr<env::Stream>, env::IoError>> accept() override {
        while (waiting_.empty()) {
            if (closed_) co_return std::unexpected(env::IoError::Closed);
            Wait wait(loop_, never, &accepting_);
            co_await wait;
        }
        auto [connection, from] = std::move(waiting_.front());
        waiting_.pop_front();
        co_return std::make_unique<SimStream>(cables_, loop_, std::move(connection), 1, at_, from);
    }
    void close() override {
        if (closed_) return;
        closed_ = true;
        cables_.listeners.erase(at_);
        for (auto& [connection, from] : waiting_) connection->reset();
        if (accepting_) accepting_->wake();
    }
    env::Endpoint local() const override { return at_; }

    bool offer(std::shared_ptr<Connection> connection, env::Endpoint from) {
        if (!loop_.alive()) return false;
        waiting_.emplace_back(std::move(connection), std::move(from));
        if (accepting_) accepting_->wake();
        return true;
    }

 private:
    Cables& cables_;
    SimLoop& loop_;
    env::Endpoint at_;
    std::deque<std::pair<std::shared_ptr<Connection>, env::Endpoint>> waiting_;
    Wait* accepting_ = nullptr;
    bool closed_ = false;
};

std::expected<std::unique_ptr<env::Listener>, env::IoError> SimNetwork::listen(const env::Endpoint& at) {
    if (cables_.listeners.contains(at)) return std::unexpected(env::IoError::AddressInUse);
    return std::make_unique<SimListener>(cables_, loop_, at);
}

env::Task<std::expected<std::unique_ptr<env::Stream>, env::IoError>> SimNetwork::connect(
    env::Endpoint to, env::ConnectOptions options, env::SteadyTime deadline) {
    const auto latency =
        std::chrono::microseconds(cables_.random.between(20, cables_.faults.latency_microseconds_max));
    co_await loop_.sleep_until(std::min(deadline, loop_.clock().steady() + latency));
    const auto found = cables_.listeners.find(to);
    if (found == cables_.listeners.end() || cables_.random.chance(cables_.faults.refuse))
        co_return std::unexpected(env::IoError::Refused);
    auto connection = std::make_shared<Connection>();
    const env::Endpoint from{
        options.bind_address.value_or(address_),
        static_cast<std::uint16_t>(cables_.last_port =
                                       cables_.last_port >= 60000 ? 40000 : cables_.last_port + 1),
        {}};
    if (!found->second->offer(connection, from)) co_return std::unexpected(env::IoError::Refused);
    co_return std::make_unique<SimStream>(cables_, loop_, std::move(connection), 0, from, to);
}

}  // namespace sim
