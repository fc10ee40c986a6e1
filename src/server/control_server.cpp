#include "server/control_server.hpp"

#include "base/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace server {
namespace {

constexpr std::size_t read_octets = 4096;

class StreamReply : public ControlReply {
 public:
    StreamReply(env::Loop& loop, env::Stream& stream, std::chrono::seconds timeout)
        : loop_(loop), stream_(stream), timeout_(timeout) {}

    env::Task<bool> line(nlohmann::json value) override {
        const std::string text = value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
        auto sent = co_await stream_.write(text, loop_.clock().steady() + timeout_);
        co_return sent.has_value();
    }

 private:
    env::Loop& loop_;
    env::Stream& stream_;
    std::chrono::seconds timeout_;
};

}  // namespace

struct ControlServer::State {
    env::Loop& loop;
    base::EventSink& events;
    ControlLimits limits;
    std::map<std::string, ControlHandler> handlers;
    std::unique_ptr<env::Listener> listener;
    std::size_t connections = 0;
    bool closed = false;
};

ControlServer::ControlServer(env::Loop& loop, base::EventSink& events, ControlLimits limits)
    : state_(std::make_shared<State>(State{loop, events, limits, {}, nullptr, 0, false})) {}

ControlServer::~ControlServer() { close(); }

void ControlServer::add(std::string verb, ControlHandler handler) {
    state_->handlers.emplace(std::move(verb), std::move(handler));
}

void ControlServer::start(std::unique_ptr<env::Listener> listener) {
    state_->listener = std::move(listener);
    state_->loop.spawn(accept_loop(state_));
}

void ControlServer::close() {
    state_->closed = true;
    if (state_->listener) state_->listener->close();
}

env::Task<void> ControlServer::accept_loop(std::shared_ptr<State> state) {
    constexpr auto pause_after_error = std::chrono::milliseconds(100);
    while (!state->closed) {
        auto stream = co_await state->listener->accept();
        if (state->closed) break;
        if (!stream) {
            co_await state->loop.sleep(pause_after_error);
            continue;
        }
        if (state->connections >= state->limits.connections_max) {
            (*stream)->close();
            continue;
        }
        state->loop.spawn(serve(state, std::move(*stream)));
    }
}

env::Task<void> ControlServer::serve(std::shared_ptr<State> state, std::unique_ptr<env::Stream> stream) {
    ++state->connections;
    const auto deadline = state->loop.clock().steady() + state->limits.line_timeout;
    std::string input;
    std::string error;
    while (input.find('\n') == std::string::npos && error.empty()) {
        std::string piece(read_octets, '\0');
        auto got = co_await stream->read_some(piece, deadline);
        if (!got || *got == 0) {
            error = "the request has no end";
        } else {
            input.append(piece, 0, *got);
            if (input.size() > state->limits.request_octets_max) error = "the request is too long";
        }
    }
    StreamReply reply(state->loop, *stream, state->limits.line_timeout);
    if (error.empty()) {
        auto request = nlohmann::json::parse(input.substr(0, input.find('\n')), nullptr, false);
        const bool usable = request.is_object() && request.contains("verb") && request["verb"].is_string();
        const auto handler =
            usable ? state->handlers.find(request["verb"].get<std::string>()) : state->handlers.end();
        if (handler == state->handlers.end()) {
            error = "no such request";
        } else {
            try {
                auto work = handler->second(std::move(request), reply);
                error = co_await work;
            } catch (const nlohmann::json::exception& wrong) {
                error = fmt::format("the request's fields are wrong: {}", wrong.what());
            }
        }
    }
    nlohmann::json last{{"done", true}};
    if (!error.empty()) last["error"] = error;
    co_await reply.line(last);
    co_await stream->shutdown(state->loop.clock().steady() + std::chrono::seconds(1));
    stream->close();
    --state->connections;
}

}  // namespace server
