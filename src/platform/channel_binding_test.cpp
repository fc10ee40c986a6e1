// Channel bindings: both ends of a connection have the same, two connections do not.
#include "platform/channel_binding.hpp"

#include <gtest/gtest.h>
#include <memory>
#include <openssl/evp.h>
#include <openssl/x509.h>

namespace platform {
namespace {

using Context = std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>;
using Connection = std::unique_ptr<SSL, decltype(&SSL_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

Certificate self_signed(EVP_PKEY* key, const EVP_MD* digest) {
    Certificate out(X509_new(), X509_free);
    X509_set_pubkey(out.get(), key);
    X509_gmtime_adj(X509_getm_notBefore(out.get()), 0);
    X509_gmtime_adj(X509_getm_notAfter(out.get()), 3600);
    X509_sign(out.get(), key, digest);
    return out;
}

struct Ends {
    Connection client{nullptr, SSL_free}, server{nullptr, SSL_free};
};

class Handshake {
 public:
    explicit Handshake(const EVP_MD* digest) : certificate(self_signed(key_.get(), digest)) {
        SSL_CTX_use_certificate(server_.get(), certificate.get());
        SSL_CTX_use_PrivateKey(server_.get(), key_.get());
    }
    /// A connection of that version, resumed from `session` when there is one.
    Ends run(int version, SSL_SESSION* session = nullptr, std::uint64_t options = 0) {
        Ends out;
        out.client.reset(SSL_new(client_.get()));
        out.server.reset(SSL_new(server_.get()));
        SSL_set_min_proto_version(out.client.get(), version);
        SSL_set_max_proto_version(out.client.get(), version);
        SSL_set_options(out.client.get(), options);
        if (session) SSL_set_session(out.client.get(), session);
        BIO *one = nullptr, *other = nullptr;
        BIO_new_bio_pair(&one, 0, &other, 0);
        SSL_set_bio(out.client.get(), one, one);
        SSL_set_bio(out.server.get(), other, other);
        SSL_set_connect_state(out.client.get());
        SSL_set_accept_state(out.server.get());
        for (int i = 0; i < 10; ++i) {
            SSL_do_handshake(out.client.get());
            SSL_do_handshake(out.server.get());
        }
        EXPECT_TRUE(SSL_is_init_finished(out.client.get()) && SSL_is_init_finished(out.server.get()));
        return out;
    }

 private:
    Context client_{SSL_CTX_new(TLS_client_method()), SSL_CTX_free};
    Context server_{SSL_CTX_new(TLS_server_method()), SSL_CTX_free};
    Key key_{EVP_EC_gen("P-256"), EVP_PKEY_free};

 public:
    Certificate certificate;
};

std::string same(const Ends& ends, std::string_view type) {
    const std::string client = channel_binding(ends.client.get(), type);
    EXPECT_EQ(client, channel_binding(ends.server.get(), type)) << type;
    return client;
}

TEST(ChannelBinding, BothEndsHaveTheSame) {
    Handshake handshake(EVP_sha256());
    const auto old = handshake.run(TLS1_2_VERSION), fresh = handshake.run(TLS1_3_VERSION),
               again = handshake.run(TLS1_3_VERSION);
    EXPECT_EQ(same(old, "tls-unique").size(), 12U);
    EXPECT_EQ(same(old, "tls-exporter").size(), 32U);
    EXPECT_EQ(same(fresh, "tls-exporter").size(), 32U);
    EXPECT_NE(same(fresh, "tls-exporter"), same(again, "tls-exporter"));
    EXPECT_EQ(same(fresh, "tls-unique"), "");  // RFC 9266 §1: there is none in TLS 1.3
    EXPECT_EQ(same(fresh, "tls-server-end-point"), same(old, "tls-server-end-point"));
    EXPECT_EQ(same(fresh, "tls-invented"), "");
    // Resumed, the server says Finished first.
    SSL_SESSION* session = SSL_get1_session(old.client.get());
    const auto resumed = handshake.run(TLS1_2_VERSION, session);
    SSL_SESSION_free(session);
    ASSERT_TRUE(SSL_session_reused(resumed.server.get()));
    EXPECT_EQ(same(resumed, "tls-unique").size(), 12U);
    EXPECT_NE(same(resumed, "tls-unique"), same(old, "tls-unique"));
    // Without the extended master secret two connections could be given the same.
    const auto weak = handshake.run(TLS1_2_VERSION, nullptr, SSL_OP_NO_EXTENDED_MASTER_SECRET);
    EXPECT_EQ(same(weak, "tls-unique"), "");
    EXPECT_EQ(same(weak, "tls-exporter"), "");
    EXPECT_NE(same(weak, "tls-server-end-point"), "");
}

// RFC 5929 §4.1: the certificate's own digest, SHA-256 for the weak ones.
TEST(ChannelBinding, EndPointIsTheCertificatesDigest) {
    for (const auto& [signed_with, hashed_with] :
         {std::pair{EVP_sha256(), EVP_sha256()}, {EVP_sha384(), EVP_sha384()}, {EVP_sha1(), EVP_sha256()}}) {
        Handshake handshake(signed_with);
        const auto ends = handshake.run(TLS1_3_VERSION);
        unsigned char octets[EVP_MAX_MD_SIZE];
        unsigned size = 0;
        X509_digest(handshake.certificate.get(), hashed_with, octets, &size);
        EXPECT_EQ(same(ends, "tls-server-end-point"), std::string(reinterpret_cast<char*>(octets), size));
    }
}

}  // namespace
}  // namespace platform
