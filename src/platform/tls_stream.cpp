#include "platform/tls_stream.hpp"

#include "platform/channel_binding.hpp"
#include "platform/tls_context.hpp"
#include "platform/tls_details.hpp"

#include <algorithm>
#include <openssl/err.h>
#include <openssl/pem.h>

namespace platform {

TlsStream::TlsStream(std::unique_ptr<env::Stream> plain, SSL* ssl, std::shared_ptr<const void> keep,
                     const EVP_MD* digest)
    : plain_(std::move(plain)), keep_(std::move(keep)), ssl_(ssl), digest_(digest) {
    BIO* in = BIO_new(BIO_s_mem());
    BIO* out = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(in, -1);
    SSL_set_bio(ssl_, in, out);
}

TlsStream::~TlsStream() {
    // Else OpenSSL takes a connection without close_notify for a broken one, and its session with it.
    if (cache_ && SSL_is_init_finished(ssl_)) SSL_set_shutdown(ssl_, SSL_SENT_SHUTDOWN);
    SSL_free(ssl_);
}

env::Task<std::expected<void, std::string>> TlsStream::handshake(env::SteadyTime deadline) {
    for (;;) {
        ERR_clear_error();
        const int done = SSL_do_handshake(ssl_);
        const int why = SSL_get_error(ssl_, done);
        const std::string reason = done == 1 || why == SSL_ERROR_WANT_READ ? "" : last_tls_error();
        auto flushed = co_await flush(deadline);
        if (!flushed) co_return std::unexpected(std::string(env::to_text(flushed.error())));
        if (done == 1) break;
        if (why != SSL_ERROR_WANT_READ) co_return std::unexpected(reason);
        auto got = co_await fill(deadline);
        if (!got) co_return std::unexpected(std::string(env::to_text(got.error())));
        if (*got == 0) co_return std::unexpected("the other side closed the connection during the handshake");
    }
    describe_connection(ssl_, digest_, info_);
    shrink();
    co_return std::expected<void, std::string>{};
}

env::Task<std::expected<std::size_t, env::IoError>> TlsStream::read_some(std::span<char> into,
                                                                         env::SteadyTime deadline) {
    for (;;) {
        ERR_clear_error();
        std::size_t got = 0;
        const int ok = SSL_read_ex(ssl_, into.data(), into.size(), &got);
        const int why = SSL_get_error(ssl_, ok);
        auto flushed = co_await flush(deadline);  // key updates, alerts
        if (ok == 1) co_return got;
        if (why == SSL_ERROR_ZERO_RETURN) co_return std::size_t{0};
        if (why != SSL_ERROR_WANT_READ) co_return std::unexpected(env::IoError::TlsFailed);
        if (!flushed) co_return std::unexpected(flushed.error());
        shrink();
        auto filled = co_await fill(deadline);
        if (!filled) co_return std::unexpected(filled.error());
        // The connection ended without close_notify: bytes may be missing (a truncation).
        if (*filled == 0) co_return std::unexpected(env::IoError::Reset);
    }
}

env::Task<std::expected<void, env::IoError>> TlsStream::write(std::string_view bytes,
                                                              env::SteadyTime deadline) {
    constexpr std::size_t piece_max = 64 * 1024;
    while (!bytes.empty()) {
        ERR_clear_error();
        std::size_t written = 0;
        const int ok = SSL_write_ex(ssl_, bytes.data(), std::min(bytes.size(), piece_max), &written);
        if (ok != 1) co_return std::unexpected(env::IoError::TlsFailed);
        bytes.remove_prefix(written);
        auto flushed = co_await flush(deadline);
        if (!flushed) co_return flushed;
    }
    shrink();
    co_return std::expected<void, env::IoError>{};
}

env::Task<std::expected<void, env::IoError>> TlsStream::wait_readable(env::SteadyTime deadline) {
    if (SSL_has_pending(ssl_) || BIO_ctrl_pending(SSL_get_rbio(ssl_)) > 0)
        co_return std::expected<void, env::IoError>{};
    auto ready = co_await plain_->wait_readable(deadline);
    co_return ready;
}

env::Task<void> TlsStream::shutdown(env::SteadyTime deadline) {
    ERR_clear_error();
    SSL_shutdown(ssl_);
    auto flushed = co_await flush(deadline);
    if (flushed) co_await plain_->shutdown(deadline);
}

std::string TlsStream::channel_binding(std::string_view type) const {
    return platform::channel_binding(ssl_, type);
}

std::string TlsStream::peer_chain_pem() const {
    const std::unique_ptr<BIO, decltype(&BIO_free)> out(BIO_new(BIO_s_mem()), BIO_free);
    X509* leaf = SSL_get1_peer_certificate(ssl_);
    const auto* chain = SSL_get_peer_cert_chain(ssl_);
    // On the server's side the chain lacks the leaf (SSL_get_peer_cert_chain(3)).
    if (leaf && SSL_is_server(ssl_)) PEM_write_bio_X509(out.get(), leaf);
    for (int i = 0; i < sk_X509_num(chain); ++i) PEM_write_bio_X509(out.get(), sk_X509_value(chain, i));
    X509_free(leaf);
    char* data = nullptr;
    const long size = BIO_get_mem_data(out.get(), &data);
    return {data, static_cast<std::size_t>(size)};
}

void TlsStream::keep_sessions(std::shared_ptr<TlsClientCache> cache, std::string key,
                              std::chrono::seconds lifetime) {
    cache_ = std::move(cache);
    session_key_ = std::move(key);
    session_lifetime_ = lifetime;
    SSL_set_app_data(ssl_, this);
}

int TlsStream::new_session(SSL* ssl, SSL_SESSION* session) {
    auto* self = static_cast<TlsStream*>(SSL_get_app_data(ssl));
    if (!self || !self->cache_ || SSL_SESSION_is_resumable(session) != 1) return 0;
    self->cache_->keep(self->session_key_, TlsClientCache::Session(session, SSL_SESSION_free),
                       std::chrono::steady_clock::now() + self->session_lifetime_);
    return 1;
}

// Ciphertext from the network into the read buffer. 0: EOF.
env::Task<std::expected<std::size_t, env::IoError>> TlsStream::fill(env::SteadyTime deadline) {
    auto ready = co_await plain_->wait_readable(deadline);
    if (!ready) co_return std::unexpected(ready.error());
    thread_local char
        piece[17 * 1024];  // shared by the connections of a loop: used without suspension in between
    auto got = co_await plain_->read_some(piece, deadline);
    if (got && *got > 0) BIO_write(SSL_get_rbio(ssl_), piece, static_cast<int>(*got));
    co_return got;
}

env::Task<std::expected<void, env::IoError>> TlsStream::flush(env::SteadyTime deadline) {
    BIO* out = SSL_get_wbio(ssl_);
    if (BIO_ctrl_pending(out) == 0) co_return std::expected<void, env::IoError>{};
    char* data = nullptr;
    const long size = BIO_get_mem_data(out, &data);
    const std::string_view octets(data, static_cast<std::size_t>(size));
    auto sent = co_await plain_->write(octets, deadline);
    BIO_reset(out);
    co_return sent;
}

// Memory BIOs keep their largest size for ever; an idle connection should hold little.
void TlsStream::shrink() {
    constexpr std::size_t keep_max = 4096;
    for (BIO* bio : {SSL_get_rbio(ssl_), SSL_get_wbio(ssl_)}) {
        BUF_MEM* memory = nullptr;
        BIO_get_mem_ptr(bio, &memory);
        if (!memory || memory->max <= keep_max || BIO_ctrl_pending(bio) != 0) continue;
        BIO* fresh = BIO_new(BIO_s_mem());
        BIO_set_mem_eof_return(fresh, -1);
        if (bio == SSL_get_rbio(ssl_))
            SSL_set0_rbio(ssl_, fresh);
        else
            SSL_set0_wbio(ssl_, fresh);
    }
}

}  // namespace platform
