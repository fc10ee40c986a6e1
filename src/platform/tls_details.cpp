#include "platform/tls_details.hpp"

#include "base/text.hpp"

#include <fmt/format.h>
#include <memory>
#include <openssl/objects.h>
#include <openssl/x509.h>

namespace platform {
namespace {

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

std::string curve_of(const EVP_PKEY* key) {
    char name[80] = {};
    std::size_t size = 0;
    return EVP_PKEY_get_group_name(key, name, sizeof name, &size) == 1 ? name : "";
}

const char* type_name(const EVP_PKEY* key) { return OBJ_nid2sn(EVP_PKEY_get_base_id(key)); }

std::string exchange_text(const EVP_PKEY* key) {
    switch (EVP_PKEY_get_base_id(key)) {
        case EVP_PKEY_EC:
            return fmt::format("ECDHE ({})", curve_of(key));
        case EVP_PKEY_DH:
        case EVP_PKEY_DHX:
            return fmt::format("DHE ({} bits)", EVP_PKEY_get_bits(key));
        default:
            return type_name(key);
    }
}

/// "RSA-PSS (2048 bits) server-digest SHA256" (TLS 1.3 knows no other RSA signature than PSS).
std::string signature_text(const EVP_PKEY* key, int digest, std::string_view side) {
    std::string out;
    switch (EVP_PKEY_get_base_id(key)) {
        case EVP_PKEY_RSA:
        case EVP_PKEY_RSA_PSS:
            out = fmt::format("RSA-PSS ({} bits)", EVP_PKEY_get_bits(key));
            break;
        case EVP_PKEY_EC:
            out = fmt::format("ECDSA ({})", curve_of(key));
            break;
        default:
            out = type_name(key);
    }
    if (digest != NID_undef) out += fmt::format(" {}-digest {}", side, OBJ_nid2sn(digest));
    return out;
}

/// Only TLS 1.3 says it in a way that can be asked for on both sides.
void describe_signatures(SSL* ssl, env::TlsInfo& out) {
    if (SSL_version(ssl) < TLS1_3_VERSION) return;
    EVP_PKEY* exchanged = nullptr;
    if (SSL_get_peer_tmp_key(ssl, &exchanged) == 1) {
        const Key key(exchanged, EVP_PKEY_free);
        out.key_exchange = exchange_text(key.get());
    }
    if (SSL_session_reused(ssl)) return;  // nobody signed anything
    const bool server = SSL_is_server(ssl);
    int digest = NID_undef;
    if (const X509* own = SSL_get_certificate(ssl); own && SSL_get_signature_nid(ssl, &digest) == 1)
        (server ? out.server_signature : out.client_signature) =
            signature_text(X509_get0_pubkey(own), digest, server ? "server" : "client");
    const Certificate peer(SSL_get1_peer_certificate(ssl), X509_free);
    digest = NID_undef;
    if (peer && SSL_get_peer_signature_nid(ssl, &digest) == 1)
        (server ? out.client_signature : out.server_signature) =
            signature_text(X509_get0_pubkey(peer.get()), digest, server ? "client" : "server");
}

std::string common_name(const X509_NAME* name) {
    char text[256] = {};
    return X509_NAME_get_text_by_NID(const_cast<X509_NAME*>(name), NID_commonName, text, sizeof text) > 0
               ? base::printable(text, 255)
               : "";
}

std::string colons(const unsigned char* digest, unsigned size) {
    std::string out;
    for (unsigned i = 0; i < size; ++i) out += fmt::format("{}{:02X}", i ? ":" : "", digest[i]);
    return out;
}

void describe_peer(SSL* ssl, const EVP_MD* how, env::TlsInfo& out) {
    const Certificate peer(SSL_get1_peer_certificate(ssl), X509_free);
    if (!peer) return;
    char subject[256];
    X509_NAME_oneline(X509_get_subject_name(peer.get()), subject, sizeof subject);
    out.peer_subject = base::printable(subject, 255);
    out.peer_name = common_name(X509_get_subject_name(peer.get()));
    out.peer_issuer = common_name(X509_get_issuer_name(peer.get()));
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (X509_digest(peer.get(), how, digest, &size) == 1) out.peer_fingerprint = colons(digest, size);
    unsigned char* der = nullptr;
    const int octets = i2d_PUBKEY(X509_get0_pubkey(peer.get()), &der);
    if (octets > 0 && EVP_Digest(der, static_cast<std::size_t>(octets), digest, &size, how, nullptr) == 1)
        out.peer_key_fingerprint = colons(digest, size);
    OPENSSL_free(der);
    const long verdict = SSL_get_verify_result(ssl);
    if (verdict != X509_V_OK) out.peer_problem = X509_verify_cert_error_string(verdict);
}

}  // namespace

void describe_connection(SSL* ssl, const EVP_MD* digest, env::TlsInfo& out) {
    out.resumed = SSL_session_reused(ssl) == 1;
    out.protocol = SSL_get_version(ssl);
    const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl);
    out.cipher = cipher ? SSL_CIPHER_get_name(cipher) : "";
    out.cipher_bits = SSL_CIPHER_get_bits(cipher, &out.algorithm_bits);
    if (const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name))
        out.server_name = base::printable(name, 255);
    describe_signatures(ssl, out);
    describe_peer(ssl, digest, out);
}

}  // namespace platform
