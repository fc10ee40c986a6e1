#include "platform/channel_binding.hpp"

#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509.h>

namespace platform {
namespace {

bool is_tls_1_3(const SSL* ssl) { return SSL_version(ssl) >= TLS1_3_VERSION; }

std::string exporter(SSL* ssl) {  // RFC 9266 §2
    constexpr std::string_view label = "EXPORTER-Channel-Binding";
    constexpr std::size_t octets = 32;
    if (!is_tls_1_3(ssl) && SSL_get_extms_support(ssl) != 1) return {};
    std::string out(octets, '\0');
    const int done = SSL_export_keying_material(ssl, reinterpret_cast<unsigned char*>(out.data()), octets,
                                                label.data(), label.size(), nullptr, 0, 1);
    return done == 1 ? out : std::string();
}

std::string unique(SSL* ssl) {  // RFC 5929 §3: the first Finished message of the latest handshake
    if (is_tls_1_3(ssl) || SSL_get_extms_support(ssl) != 1) return {};
    const bool ours = (SSL_is_server(ssl) != 0) == (SSL_session_reused(ssl) != 0);
    std::string out(EVP_MAX_MD_SIZE, '\0');
    const std::size_t size = ours ? SSL_get_finished(ssl, out.data(), out.size())
                                  : SSL_get_peer_finished(ssl, out.data(), out.size());
    out.resize(size <= out.size() ? size : 0);
    return out;
}

std::string server_end_point(SSL* ssl) {  // RFC 5929 §4.1
    X509* peer = SSL_is_server(ssl) ? nullptr : SSL_get1_peer_certificate(ssl);
    const X509* certificate = SSL_is_server(ssl) ? SSL_get_certificate(ssl) : peer;
    std::string out;
    if (certificate) {
        int digest_nid = NID_undef;
        OBJ_find_sigid_algs(X509_get_signature_nid(certificate), &digest_nid, nullptr);
        const bool weak = digest_nid == NID_md5 || digest_nid == NID_sha1;
        const EVP_MD* digest = weak ? EVP_sha256() : EVP_get_digestbynid(digest_nid);
        unsigned char octets[EVP_MAX_MD_SIZE];
        unsigned size = 0;
        // A signature without a digest of its own (Ed25519) leaves the type undefined.
        if (digest && X509_digest(certificate, digest, octets, &size) == 1)
            out.assign(reinterpret_cast<const char*>(octets), size);
    }
    X509_free(peer);
    return out;
}

}  // namespace

std::string channel_binding(SSL* ssl, std::string_view type) {
    if (type == "tls-exporter") return exporter(ssl);
    if (type == "tls-unique") return unique(ssl);
    if (type == "tls-server-end-point") return server_end_point(ssl);
    return {};
}

}  // namespace platform
