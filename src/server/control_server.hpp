// The control socket: how `postrider status`, `stop`, `reload` and the queue tools talk to a running server.
// A Unix-domain socket in a folder only the server's user (and root) can enter. A request is one line of
// JSON,
// {"verb": "status", …}; the answer is lines of JSON, the last one {"done": true} or {"done": true, "error":
// "…"}. Belongs to one loop.
#pragma once

#include "base/event.hpp"
#include "env/loop.hpp"
#include "env/network.hpp"

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace server {

/// Writes the answer's lines; a caller that does not read makes the task wait, to `line_timeout` at most.
class ControlReply {
 public:
    virtual ~ControlReply() = default;
    /// False when the caller is gone: stop working for it.
    virtual env::Task<bool> line(nlohmann::json value) = 0;
};

/// Returns "" or what went wrong, for the caller's {"error": …}.
using ControlHandler = std::function<env::Task<std::string>(nlohmann::json request, ControlReply& reply)>;

struct ControlLimits {
    std::size_t request_octets_max = 1 << 20;
    std::size_t connections_max = 32;
    std::chrono::seconds line_timeout{30};
};

class ControlServer {
 public:
    ControlServer(env::Loop& loop, base::EventSink& events, ControlLimits limits);
    ~ControlServer();
    /// Before start(). One handler for each verb.
    void add(std::string verb, ControlHandler handler);
    /// Takes the listener and serves until close().
    void start(std::unique_ptr<env::Listener> listener);
    void close();

 private:
    struct State;
    static env::Task<void> accept_loop(std::shared_ptr<State> state);
    static env::Task<void> serve(std::shared_ptr<State> state, std::unique_ptr<env::Stream> stream);
    std::shared_ptr<State> state_;
};

}  // namespace server
