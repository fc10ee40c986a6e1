// A TLS connection over another stream, through OpenSSL's memory buffers (docs/decisions/0005); either side.
// For openssl_tls.cpp. Belongs to its loop.
#pragma once

#include "env/loop.hpp"
#include "env/network.hpp"
#include "platform/tls_client_cache.hpp"

#include <expected>
#include <memory>
#include <openssl/ssl.h>
#include <span>
#include <string>
#include <string_view>

namespace platform {

class TlsStream : public env::Stream {
 public:
    /// `ssl` becomes ours; `keep`: the context's own memory; `digest`: of the peer's fingerprints.
    TlsStream(std::unique_ptr<env::Stream> plain, SSL* ssl, std::shared_ptr<const void> keep,
              const EVP_MD* digest);
    ~TlsStream() override;
    env::Task<std::expected<void, std::string>> handshake(env::SteadyTime deadline);
    /// Sessions that the server offers, at once or later, are kept there. Of a client, before the handshake.
    void keep_sessions(std::shared_ptr<TlsClientCache> cache, std::string key, std::chrono::seconds lifetime);
    /// SSL_CTX_sess_set_new_cb(3). 1: the session is ours now.
    static int new_session(SSL* ssl, SSL_SESSION* session);

    env::Task<std::expected<std::size_t, env::IoError>> read_some(std::span<char> into,
                                                                  env::SteadyTime deadline) override;
    env::Task<std::expected<void, env::IoError>> write(std::string_view bytes,
                                                       env::SteadyTime deadline) override;
    env::Task<std::expected<void, env::IoError>> wait_readable(env::SteadyTime deadline) override;
    env::Task<void> shutdown(env::SteadyTime deadline) override;
    void close() override { plain_->close(); }
    env::Endpoint local() const override { return plain_->local(); }
    env::Endpoint peer() const override { return plain_->peer(); }
    const env::TlsInfo* tls() const override { return &info_; }
    std::string channel_binding(std::string_view type) const override;
    std::string peer_chain_pem() const override;

 private:
    env::Task<std::expected<std::size_t, env::IoError>> fill(env::SteadyTime deadline);
    env::Task<std::expected<void, env::IoError>> flush(env::SteadyTime deadline);
    void shrink();

    std::unique_ptr<env::Stream> plain_;
    std::shared_ptr<const void> keep_;
    SSL* ssl_;
    const EVP_MD* digest_;
    env::TlsInfo info_;
    std::shared_ptr<TlsClientCache> cache_;
    std::string session_key_;
    std::chrono::seconds session_lifetime_{0};
};

}  // namespace platform
