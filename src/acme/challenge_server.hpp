// Answers the authority when it comes to look: HTTP-01 on a listener of its own (RFC 8555 §8.3) or as files
// of a web server, TLS-ALPN-01 (RFC 8737) on another. Gives away nothing else, to anybody; few connections at
// once, each for seconds. Belongs to one loop.
#pragma once

#include "acme/order_session.hpp"
#include "env/file_system.hpp"
#include "env/loop.hpp"
#include "env/network.hpp"
#include "env/tls.hpp"
#include "env/workers.hpp"

#include <map>
#include <memory>
#include <optional>

namespace acme {

/// Where proofs are shown while an order is under way.
class ChallengeBoard {
 public:
    virtual ~ChallengeBoard() = default;
    virtual env::Task<std::expected<void, std::string>> publish(Proof proof) = 0;
    virtual env::Task<void> withdraw(Proof proof) = 0;
};

/// The token that an HTTP request's head asks for: "GET /.well-known/acme-challenge/TOKEN HTTP/1.x". nullopt:
/// something else.
std::optional<std::string> asked_token(std::string_view head);

class ChallengeServer : public ChallengeBoard {
 public:
    struct Services {
        env::Loop& loop;
        env::Tls& tls;
        env::Workers& workers;
        env::FileSystem& files;
    };
    static constexpr std::size_t connections_max = 64, head_octets_max = 8192;
    static constexpr std::chrono::seconds connection_time_max{10};

    explicit ChallengeServer(Services services);
    /// Not empty: proofs of HTTP-01 become files below this folder.
    void use_webroot(std::string folder) { webroot_ = std::move(folder); }
    void serve_http(std::unique_ptr<env::Listener> listener);
    void serve_tls(std::unique_ptr<env::Listener> listener);
    env::Task<std::expected<void, std::string>> publish(Proof proof) override;
    env::Task<void> withdraw(Proof proof) override;
    void close();

 private:
    struct State;
    static env::Task<void> accept_http(std::shared_ptr<State> state, env::Listener& listener);
    static env::Task<void> accept_tls(std::shared_ptr<State> state, env::Listener& listener);
    static env::Task<void> answer_http(std::shared_ptr<State> state, std::unique_ptr<env::Stream> stream);
    static env::Task<void> answer_tls(std::shared_ptr<State> state, std::unique_ptr<env::Stream> stream);
    std::shared_ptr<State> state_;
    std::string webroot_;
};

}  // namespace acme
