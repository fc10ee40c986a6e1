// What the TLS client keeps between connections: contexts, which hold the parsed authorities, and sessions to
// resume (RFC 5077, RFC 8446 §2.2). Both are filed under everything the handshake was asked for, so nothing
// crosses from one policy to another. Belongs to one loop; streams share it, since tickets arrive late.
#pragma once

#include "env/clock.hpp"
#include "env/tls.hpp"

#include <list>
#include <map>
#include <memory>
#include <openssl/ssl.h>
#include <string>

namespace platform {

class TlsClientCache {
 public:
    static constexpr std::size_t contexts_max = 64, sessions_max = 2000;
    using Context = std::shared_ptr<SSL_CTX>;
    using Session = std::unique_ptr<SSL_SESSION, decltype(&SSL_SESSION_free)>;

    /// Null: none is kept.
    Context context(const std::string& key) const;
    void keep(const std::string& key, Context context);
    /// The latest; one of TLS 1.3 is taken out, for it is used once (RFC 8446 appendix C.4). Null: none that
    /// is young enough.
    Session take(const std::string& key, env::SteadyTime now);
    void keep(const std::string& key, Session session, env::SteadyTime until);
    std::size_t sessions() const { return order_.size(); }

 private:
    struct Kept {
        std::string key;
        Session session;
        env::SteadyTime until;
    };
    std::map<std::string, Context> contexts_;
    std::list<Kept> order_;  // oldest first
    std::map<std::string, std::list<Kept>::iterator> by_key_;
};

/// What a context depends on, and what a session does besides; digests.
std::string context_key(const env::TlsClientSettings& settings);
std::string session_key(const std::string& context, const env::TlsClientSettings& settings);

}  // namespace platform
