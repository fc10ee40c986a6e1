#include "platform/openssl_tls.hpp"

#include "base/result.hpp"
#include "base/text.hpp"
#include "platform/channel_binding.hpp"
#include "platform/tls_details.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

namespace platform {
namespace {

using Ctx = std::shared_ptr<SSL_CTX>;
using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;

std::string last_error() {
    const unsigned long code = ERR_get_error();
    ERR_clear_error();
    if (code == 0) return "unknown error";
    const char* reason = ERR_reason_error_string(code);
    return reason ? reason : fmt::format("error {:x}", code);
}

Bio bio_of(const std::string& pem) {
    return {BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free};
}

struct VersionName {
    std::string_view name;
    int version;
    unsigned long disable;
};
constexpr VersionName versions[] = {{"SSLv2", 0, 0},
                                    {"SSLv3", SSL3_VERSION, SSL_OP_NO_SSLv3},
                                    {"TLSv1", TLS1_VERSION, SSL_OP_NO_TLSv1},
                                    {"TLSv1.0", TLS1_VERSION, SSL_OP_NO_TLSv1},
                                    {"TLSv1.1", TLS1_1_VERSION, SSL_OP_NO_TLSv1_1},
                                    {"TLSv1.2", TLS1_2_VERSION, SSL_OP_NO_TLSv1_2},
                                    {"TLSv1.3", TLS1_3_VERSION, SSL_OP_NO_TLSv1_3}};

const VersionName* find_version(std::string_view name) {
    for (const auto& version : versions)
        if (base::iequals(version.name, name)) return &version;
    return nullptr;
}

/// Postfix's grades; "export" and "low" mean medium (as since Postfix 3.8), "null" is gone for good.
std::expected<std::string, std::string> cipher_list(const env::TlsProtocols& wanted) {
    const auto is = [&](std::string_view grade) { return base::iequals(wanted.grade, grade); };
    const bool medium = is("medium") || is("low") || is("export");
    if (!medium && !is("high"))
        return std::unexpected(
            fmt::format("cipher grade '{}' is not one of high, medium", base::printable(wanted.grade, 60)));
    std::string list = wanted.cipher_list;
    if (list.empty())
        list = medium ? "aNULL:-aNULL:HIGH:MEDIUM:+RC4:@STRENGTH" : "aNULL:-aNULL:HIGH:@STRENGTH";
    for (const auto word : base::split_any(wanted.exclude_ciphers, ", \t:")) list += ":!" + std::string(word);
    return list + ":!aNULL:!eNULL";
}

std::expected<Ctx, std::string> new_context(const SSL_METHOD* method, const env::TlsProtocols& wanted) {
    TRY_ASSIGN(const ProtocolRange range, parse_protocols(wanted.protocols));
    TRY_ASSIGN(const std::string ciphers, cipher_list(wanted));
    Ctx context(SSL_CTX_new(method), SSL_CTX_free);
    if (!context) return std::unexpected(last_error());
    SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | range.disabled);
    const bool old = range.lowest != 0 && range.lowest < TLS1_2_VERSION;
    if (old)
        SSL_CTX_set_security_level(context.get(), 0);  // TLS 1.0 signs with MD5-SHA1, which level 1 refuses
    SSL_CTX_set_min_proto_version(context.get(), range.lowest);
    SSL_CTX_set_max_proto_version(context.get(), range.highest);
    if (SSL_CTX_set_cipher_list(context.get(), ciphers.c_str()) != 1)
        return std::unexpected(fmt::format("no cipher fits '{}'", ciphers));
    return context;
}

std::expected<void, std::string> use_certificate(SSL_CTX* context, const env::TlsCertificate& certificate) {
    const auto chain = bio_of(certificate.chain_pem);
    X509* leaf = PEM_read_bio_X509(chain.get(), nullptr, nullptr, nullptr);
    if (!leaf) return std::unexpected("the certificate file holds no certificate in PEM form");
    const bool used = SSL_CTX_use_certificate(context, leaf) == 1;
    X509_free(leaf);
    if (!used) return std::unexpected("the certificate cannot be used: " + last_error());
    SSL_CTX_clear_chain_certs(context);
    while (X509* next = PEM_read_bio_X509(chain.get(), nullptr, nullptr, nullptr))
        SSL_CTX_add0_chain_cert(context, next);
    ERR_clear_error();  // the end of the file is an error to OpenSSL
    const auto key_bio = bio_of(certificate.key_pem);
    EVP_PKEY* key = PEM_read_bio_PrivateKey(key_bio.get(), nullptr, nullptr, const_cast<char*>(""));
    if (!key) return std::unexpected("the key file holds no private key in PEM form without a password");
    const bool fits = SSL_CTX_use_PrivateKey(context, key) == 1 && SSL_CTX_check_private_key(context) == 1;
    EVP_PKEY_free(key);
    if (!fits) {
        ERR_clear_error();
        return std::unexpected("the private key does not belong to the certificate");
    }
    return {};
}

std::expected<void, std::string> trust(SSL_CTX* context, const std::string& ca_pem,
                                       const std::string& ca_path) {
    X509_STORE* store = SSL_CTX_get_cert_store(context);
    const auto bio = bio_of(ca_pem);
    while (X509* ca = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
        X509_STORE_add_cert(store, ca);
        X509_free(ca);
    }
    ERR_clear_error();
    if (!ca_path.empty() && SSL_CTX_load_verify_dir(context, ca_path.c_str()) != 1)
        return std::unexpected("cannot use the folder of CA certificates " + ca_path);
    return {};
}

/// What a client may choose its certificate by.
void send_authority_names(SSL_CTX* context, const std::string& ca_pem) {
    const auto bio = bio_of(ca_pem);
    while (X509* ca = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
        SSL_CTX_add_client_CA(context, ca);
        X509_free(ca);
    }
    ERR_clear_error();
}

class ServerContext : public env::TlsServerContext {
 public:
    Ctx context;
    std::map<std::string, Ctx, base::ILess> by_name;
    std::string alpn;
    std::shared_ptr<TicketKeys> tickets;
    const EVP_MD* digest = EVP_sha256();

    // 1: this key; 2: this key, and make a new ticket; 0: no such key
    // (SSL_CTX_set_tlsext_ticket_key_evp_cb(3)).
    static int ticket_key(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                          EVP_MAC_CTX* mac, int making) {
        const auto* self = static_cast<ServerContext*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
        TicketKey key;
        bool old = false;
        if (making) {
            key = self->tickets->current();
            if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1) return -1;
            std::copy(key.name.begin(), key.name.end(), name);
            if (EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key.cipher.data(), iv) != 1) return -1;
        } else {
            const auto found = self->tickets->find(name);
            if (!found) return 0;
            key = found->key;
            old = found->old;
            if (EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key.cipher.data(), iv) != 1) return -1;
        }
        char digest[] = "SHA256";
        OSSL_PARAM parameters[] = {
            OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key.mac.data(), key.mac.size()),
            OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
        if (EVP_MAC_CTX_set_params(mac, parameters) != 1) return -1;
        return old ? 2 : 1;
    }

    // ALPN (RFC 7301 §3.2): the one protocol we speak, or no handshake.
    static int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_size,
                               const unsigned char* in, unsigned in_size, void* self) {
        const std::string& wanted = static_cast<ServerContext*>(self)->alpn;
        for (unsigned at = 0; at < in_size && at + 1U + in[at] <= in_size; at += 1U + in[at]) {
            if (std::string_view(reinterpret_cast<const char*>(in) + at + 1, in[at]) != wanted) continue;
            *out = in + at + 1;
            *out_size = in[at];
            return SSL_TLSEXT_ERR_OK;
        }
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }

    // SNI: the exact name, then ".parent".
    static int choose(SSL* ssl, int*, void* self) {
        const auto& contexts = static_cast<ServerContext*>(self)->by_name;
        const char* asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
        std::string_view name = asked ? asked : "";
        while (!name.empty()) {
            const auto found = contexts.find(name);
            if (found != contexts.end()) {
                SSL_set_SSL_CTX(ssl, found->second.get());
                break;
            }
            const auto dot = name.find('.', 1);
            name = dot == std::string_view::npos ? std::string_view{} : name.substr(dot);
        }
        return SSL_TLSEXT_ERR_OK;
    }
};

// The certificate is judged after the handshake: opportunistic TLS goes on with a bad one, and says so.
int accept_any(int, X509_STORE_CTX*) { return 1; }

class TlsStream : public env::Stream {
 public:
    TlsStream(std::unique_ptr<env::Stream> plain, SSL* ssl, std::shared_ptr<const void> keep,
              const EVP_MD* digest)
        : plain_(std::move(plain)), keep_(std::move(keep)), ssl_(ssl), digest_(digest) {
        BIO* in = BIO_new(BIO_s_mem());
        BIO* out = BIO_new(BIO_s_mem());
        BIO_set_mem_eof_return(in, -1);
        SSL_set_bio(ssl_, in, out);
    }
    ~TlsStream() override {
        // Else OpenSSL takes a connection without close_notify for a broken one, and its session with it.
        if (cache_ && SSL_is_init_finished(ssl_)) SSL_set_shutdown(ssl_, SSL_SENT_SHUTDOWN);
        SSL_free(ssl_);
    }

    env::Task<std::expected<void, std::string>> handshake(env::SteadyTime deadline) {
        for (;;) {
            ERR_clear_error();
            const int done = SSL_do_handshake(ssl_);
            const int why = SSL_get_error(ssl_, done);
            const std::string reason = done == 1 || why == SSL_ERROR_WANT_READ ? "" : last_error();
            auto flushed = co_await flush(deadline);
            if (!flushed) co_return std::unexpected(std::string(env::to_text(flushed.error())));
            if (done == 1) break;
            if (why != SSL_ERROR_WANT_READ) co_return std::unexpected(reason);
            auto got = co_await fill(deadline);
            if (!got) co_return std::unexpected(std::string(env::to_text(got.error())));
            if (*got == 0)
                co_return std::unexpected("the other side closed the connection during the handshake");
        }
        describe_connection(ssl_, digest_, info_);
        shrink();
        co_return std::expected<void, std::string>{};
    }

    env::Task<std::expected<std::size_t, env::IoError>> read_some(std::span<char> into,
                                                                  env::SteadyTime deadline) override {
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

    env::Task<std::expected<void, env::IoError>> write(std::string_view bytes,
                                                       env::SteadyTime deadline) override {
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

    env::Task<std::expected<void, env::IoError>> wait_readable(env::SteadyTime deadline) override {
        if (SSL_has_pending(ssl_) || BIO_ctrl_pending(SSL_get_rbio(ssl_)) > 0)
            co_return std::expected<void, env::IoError>{};
        auto ready = co_await plain_->wait_readable(deadline);
        co_return ready;
    }

    env::Task<void> shutdown(env::SteadyTime deadline) override {
        ERR_clear_error();
        SSL_shutdown(ssl_);
        auto flushed = co_await flush(deadline);
        if (flushed) co_await plain_->shutdown(deadline);
    }
    void close() override { plain_->close(); }
    env::Endpoint local() const override { return plain_->local(); }
    env::Endpoint peer() const override { return plain_->peer(); }
    const env::TlsInfo* tls() const override { return &info_; }
    std::string channel_binding(std::string_view type) const override {
        return platform::channel_binding(ssl_, type);
    }
    std::string peer_chain_pem() const override {
        const Bio out(BIO_new(BIO_s_mem()), BIO_free);
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
    env::TlsInfo& info() { return info_; }
    SSL* ssl() { return ssl_; }
    /// Sessions that the server offers, at once or later, are kept there. Of a client, before the handshake.
    void keep_sessions(std::shared_ptr<TlsClientCache> cache, std::string key,
                       std::chrono::seconds lifetime) {
        cache_ = std::move(cache);
        session_key_ = std::move(key);
        session_lifetime_ = lifetime;
        SSL_set_app_data(ssl_, this);
    }
    /// SSL_CTX_sess_set_new_cb(3). 1: the session is ours now.
    static int new_session(SSL* ssl, SSL_SESSION* session) {
        auto* self = static_cast<TlsStream*>(SSL_get_app_data(ssl));
        if (!self || !self->cache_ || SSL_SESSION_is_resumable(session) != 1) return 0;
        self->cache_->keep(self->session_key_, TlsClientCache::Session(session, SSL_SESSION_free),
                           std::chrono::steady_clock::now() + self->session_lifetime_);
        return 1;
    }

 private:
    // Ciphertext from the network into the read buffer. 0: EOF.
    env::Task<std::expected<std::size_t, env::IoError>> fill(env::SteadyTime deadline) {
        auto ready = co_await plain_->wait_readable(deadline);
        if (!ready) co_return std::unexpected(ready.error());
        thread_local char
            piece[17 * 1024];  // shared by the connections of a loop: used without suspension in between
        auto got = co_await plain_->read_some(piece, deadline);
        if (got && *got > 0) BIO_write(SSL_get_rbio(ssl_), piece, static_cast<int>(*got));
        co_return got;
    }

    env::Task<std::expected<void, env::IoError>> flush(env::SteadyTime deadline) {
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
    void shrink() {
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

    std::unique_ptr<env::Stream> plain_;
    std::shared_ptr<const void> keep_;  // the context's own memory
    SSL* ssl_;
    const EVP_MD* digest_;  // of the peer's fingerprints
    env::TlsInfo info_;
    std::shared_ptr<TlsClientCache> cache_;
    std::string session_key_;
    std::chrono::seconds session_lifetime_{0};
};

}  // namespace

std::expected<ProtocolRange, std::string> parse_protocols(std::string_view text) {
    ProtocolRange out;
    unsigned long included = 0;
    unsigned long all = 0;
    for (const auto& version : versions) all |= version.disable;
    for (std::string_view word : base::split_any(text, ", \t:")) {
        const bool low = word.starts_with(">=");
        const bool high = word.starts_with("<=");
        const bool negated = word.starts_with('!');
        const std::string_view name = word.substr(low || high ? 2 : negated ? 1 : 0);
        const auto* version = find_version(name);
        if (!version)
            return std::unexpected(fmt::format(
                "'{}' is not a TLS protocol; known are SSLv3, TLSv1, TLSv1.1, TLSv1.2, TLSv1.3", name));
        if (low)
            out.lowest = version->version;
        else if (high)
            out.highest = version->version;
        else if (negated)
            out.disabled |= version->disable;
        else
            included |= version->disable;
    }
    if (included != 0) out.disabled |= all & ~included;
    if (out.lowest == 0) {  // the lowest that is not disabled, so that OpenSSL's own default does not decide
        for (const auto& version : versions) {
            if (version.disable == 0 || (out.disabled & version.disable) != 0) continue;
            out.lowest = version.version;
            break;
        }
    }
    return out;
}

// A session may be resumed only where the same was asked of the client: a ticket from a service that wants no
// certificate must not open one that does.
static std::string session_scope(const env::TlsServerSettings& settings) {
    const std::string text = fmt::format("postrider {} {} {}", static_cast<int>(settings.client_certificate),
                                         settings.ca_path, settings.ca_pem);
    std::string digest(SSL_MAX_SID_CTX_LENGTH, '\0');
    EVP_Digest(text.data(), text.size(), reinterpret_cast<unsigned char*>(digest.data()), nullptr,
               EVP_sha256(), nullptr);
    return digest;
}

static void set_up_sessions(SSL_CTX* context, const env::TlsServerSettings& settings, ServerContext& owner) {
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);  // tickets only: no memory per session
    const std::string scope = session_scope(settings);
    SSL_CTX_set_session_id_context(context, reinterpret_cast<const unsigned char*>(scope.data()),
                                   static_cast<unsigned>(scope.size()));
    if (settings.session_lifetime.count() == 0) {
        SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(context, 0);
        return;
    }
    SSL_CTX_set_timeout(context, static_cast<long>(settings.session_lifetime.count()));
    SSL_CTX_set_num_tickets(context, 1);  // a mail client opens one connection after the other
    if (!owner.tickets) return;           // OpenSSL's own keys, for as long as the context lives
    SSL_CTX_set_app_data(context, &owner);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context, &ServerContext::ticket_key);
}

static std::expected<Ctx, std::string> make_context(const env::TlsServerSettings& settings,
                                                    const std::vector<env::TlsCertificate>& certificates,
                                                    ServerContext& owner) {
    TRY_ASSIGN(Ctx context, new_context(TLS_server_method(), settings.protocols));
    for (const auto& certificate : certificates) TRY(use_certificate(context.get(), certificate));
    if (settings.prefer_server_ciphers)
        SSL_CTX_set_options(context.get(), SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    set_up_sessions(context.get(), settings, owner);
    if (!settings.alpn.empty())
        SSL_CTX_set_alpn_select_cb(context.get(), &ServerContext::choose_protocol, &owner);
    if (settings.client_certificate == env::TlsServerSettings::ClientCertificate::No) return context;
    TRY(trust(context.get(), settings.ca_pem, settings.ca_path));
    send_authority_names(context.get(), settings.ca_pem);
    SSL_CTX_set_verify_depth(context.get(), settings.client_chain_depth_max);
    const bool required = settings.client_certificate == env::TlsServerSettings::ClientCertificate::Require;
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                       required ? nullptr : accept_any);
    return context;
}

std::expected<std::shared_ptr<const env::TlsServerContext>, std::string> OpenSslTls::make_server_context(
    const env::TlsServerSettings& settings) {
    auto out = std::make_shared<ServerContext>();
    out->alpn = settings.alpn;
    out->tickets = tickets_;
    out->digest = EVP_get_digestbyname(settings.fingerprint_digest.c_str());
    if (!out->digest)
        return std::unexpected(fmt::format("smtpd_tls_fingerprint_digest: '{}' is not a digest; use sha256",
                                           base::printable(settings.fingerprint_digest, 60)));
    TRY_ASSIGN(out->context, make_context(settings, settings.certificates, *out));
    std::map<std::string, std::vector<env::TlsCertificate>, base::ILess> by_name;
    for (const auto& [name, certificate] : settings.sni) by_name[name].push_back(certificate);
    for (const auto& [name, certificates] : by_name) {
        TRY_ASSIGN(Ctx context, make_context(settings, certificates, *out));
        out->by_name.emplace(name, std::move(context));
    }
    SSL_CTX_set_tlsext_servername_callback(out->context.get(), &ServerContext::choose);
    SSL_CTX_set_tlsext_servername_arg(out->context.get(), out.get());
    return out;
}

env::Task<std::expected<std::unique_ptr<env::Stream>, std::string>> OpenSslTls::accept(
    std::unique_ptr<env::Stream> plain, std::shared_ptr<const env::TlsServerContext> context,
    env::SteadyTime deadline) {
    const auto server = std::static_pointer_cast<const ServerContext>(context);
    SSL* ssl = SSL_new(server->context.get());
    SSL_set_accept_state(ssl);
    auto stream = std::make_unique<TlsStream>(std::move(plain), ssl, server, server->digest);
    auto done = co_await stream->handshake(deadline);
    if (!done) {
        stream->close();
        co_return std::unexpected(done.error());
    }
    std::unique_ptr<env::Stream> out = std::move(stream);
    co_return out;
}

static std::expected<Ctx, std::string> make_client_context(const env::TlsClientSettings& settings) {
    TRY_ASSIGN(Ctx context, new_context(TLS_client_method(), settings.protocols));
    TRY(trust(context.get(), settings.ca_pem, settings.ca_path));
    for (const auto& certificate : settings.certificates) TRY(use_certificate(context.get(), certificate));
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, settings.verify ? nullptr : accept_any);
    SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context.get(), &TlsStream::new_session);
    return context;
}

env::Task<std::expected<std::unique_ptr<env::Stream>, std::string>> OpenSslTls::connect(
    std::unique_ptr<env::Stream> plain, env::TlsClientSettings settings, env::SteadyTime deadline) {
    const std::string key = context_key(settings);
    Ctx context = client_cache_->context(key);
    if (!context) {
        auto made = make_client_context(settings);
        if (!made) co_return std::unexpected(made.error());
        context = std::move(*made);
        client_cache_->keep(key, context);
    }
    SSL* ssl = SSL_new(context.get());
    SSL_set_connect_state(ssl);
    if (!settings.server_name.empty()) SSL_set_tlsext_host_name(ssl, settings.server_name.c_str());
    if (!settings.match_names.empty()) {
        SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        for (std::size_t i = 0; i < settings.match_names.size(); ++i)
            i == 0 ? SSL_set1_host(ssl, settings.match_names[i].c_str())
                   : SSL_add1_host(ssl, settings.match_names[i].c_str());
    }
    auto stream = std::make_unique<TlsStream>(std::move(plain), ssl, context, EVP_sha256());
    if (!settings.session_peer.empty() && settings.session_lifetime.count() > 0) {
        const std::string resumable = session_key(key, settings);
        const auto session = client_cache_->take(resumable, std::chrono::steady_clock::now());
        if (session) SSL_set_session(ssl, session.get());
        stream->keep_sessions(client_cache_, resumable, settings.session_lifetime);
    }
    auto done = co_await stream->handshake(deadline);
    if (!done) {
        const long verdict = SSL_get_verify_result(ssl);
        stream->close();
        co_return std::unexpected(verdict == X509_V_OK ? done.error()
                                                       : std::string(X509_verify_cert_error_string(verdict)));
    }
    std::unique_ptr<env::Stream> out = std::move(stream);
    co_return out;
}

}  // namespace platform
