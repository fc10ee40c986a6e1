#include "platform/openssl_tls.hpp"

#include "base/result.hpp"
#include "base/text.hpp"
#include "platform/tls_context.hpp"
#include "platform/tls_stream.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <openssl/core_names.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

namespace platform {
namespace {

class ServerContext : public env::TlsServerContext {
 public:
    TlsContext context;
    std::map<std::string, TlsContext, base::ILess> by_name;
    std::vector<std::string> alpn;
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

    // ALPN (RFC 7301 §3.2): a protocol we speak, or no handshake.
    static int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_size,
                               const unsigned char* in, unsigned in_size, void* self) {
        const auto& spoken = static_cast<ServerContext*>(self)->alpn;
        for (unsigned at = 0; at < in_size && at + 1U + in[at] <= in_size; at += 1U + in[at]) {
            const std::string_view name(reinterpret_cast<const char*>(in) + at + 1, in[at]);
            if (std::ranges::find(spoken, name) == spoken.end()) continue;
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

}  // namespace

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

static std::expected<TlsContext, std::string> make_context(
    const env::TlsServerSettings& settings, const std::vector<env::TlsCertificate>& certificates,
    ServerContext& owner) {
    TRY_ASSIGN(TlsContext context, new_context(TLS_server_method(), settings.protocols));
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
        TRY_ASSIGN(TlsContext context, make_context(settings, certificates, *out));
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

static std::expected<TlsContext, std::string> make_client_context(const env::TlsClientSettings& settings) {
    TRY_ASSIGN(TlsContext context, new_context(TLS_client_method(), settings.protocols));
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
    TlsContext context = client_cache_->context(key);
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
