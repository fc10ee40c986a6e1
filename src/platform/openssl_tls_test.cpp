#include "platform/openssl_tls.hpp"

#include "platform/asio_network.hpp"
#include "platform/system.hpp"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

namespace platform {
namespace {

using namespace std::chrono_literals;

std::string text_of(BIO* bio) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    std::string out(data, static_cast<std::size_t>(size));
    BIO_free(bio);
    return out;
}

/// Signed by itself, for mx.test.
env::TlsCertificate make_certificate() {
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME* name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("mx.test"),
                               -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    X509_sign(certificate, key, EVP_sha256());
    BIO* certificate_text = BIO_new(BIO_s_mem());
    BIO* key_text = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(certificate_text, certificate);
    PEM_write_bio_PrivateKey(key_text, key, nullptr, nullptr, 0, nullptr, nullptr);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return {text_of(certificate_text), text_of(key_text)};
}

class Peers {
 public:
    Peers() : certificate(make_certificate()) {
        env::TlsServerSettings settings;
        settings.certificates.push_back(certificate);
        context_ = *server_.make_server_context(settings);
    }
    /// One connection over which one octet comes back; whether its session was taken up again.
    bool resumed(env::TlsClientSettings settings) {
        AsioLoop loop{clock_};
        AsioNetwork network{loop};
        bool out = false;
        loop.spawn(talk(loop, network, std::move(settings), out));
        loop.run();
        loop.destroy_tasks();
        return out;
    }
    env::TlsCertificate certificate;

 private:
    env::Task<void> serve(std::unique_ptr<env::Stream> plain) {
        auto stream = co_await server_.accept(std::move(plain), context_, clock_.steady() + 5s);
        if (!stream) co_return;
        char octet[1];
        auto got = co_await (*stream)->read_some(octet, clock_.steady() + 5s);
        const std::string_view back(octet, 1);
        if (got) co_await (*stream)->write(back, clock_.steady() + 5s);
    }
    env::Task<void> talk(AsioLoop& loop, AsioNetwork& network, env::TlsClientSettings settings, bool& out) {
        auto listener = *network.listen({*env::IpAddress::parse("127.0.0.1"), 0, {}});
        const env::Endpoint at = listener->local();
        const env::ConnectOptions how;
        auto plain = co_await network.connect(at, how, clock_.steady() + 5s);
        auto accepted = co_await listener->accept();
        loop.spawn(serve(std::move(*accepted)));
        auto stream = co_await client_.connect(std::move(*plain), std::move(settings), clock_.steady() + 5s);
        EXPECT_TRUE(stream.has_value()) << stream.error();
        if (stream) {
            out = (*stream)->tls()->resumed;
            co_await (*stream)->write("x", clock_.steady() + 5s);
            char octet[1];
            auto got = co_await (*stream)->read_some(octet, clock_.steady() + 5s);
            EXPECT_TRUE(got.has_value());  // the ticket came with it
        }
        stream = std::unexpected(std::string("done"));
        co_await loop.sleep(1ms);
        loop.stop();
    }
    SystemClock clock_;
    OpenSslTls server_, client_;
    std::shared_ptr<const env::TlsServerContext> context_;
};

env::TlsClientSettings settings_for(const Peers& peers) {
    env::TlsClientSettings out;
    out.server_name = "mx.test";
    out.verify = true;
    out.match_names = {"mx.test"};
    out.ca_pem = peers.certificate.chain_pem;
    out.session_peer = "mx.test[127.0.0.1]:25";
    return out;
}

TEST(OpenSslTls, ASecondConnectionResumesUnderTheSamePolicyOnly) {
    for (const auto* protocols : {"TLSv1.3", "TLSv1.2"}) {
        Peers peers;
        auto settings = settings_for(peers);
        settings.protocols.protocols = protocols;
        EXPECT_FALSE(peers.resumed(settings)) << protocols;
        EXPECT_TRUE(peers.resumed(settings)) << protocols;
        EXPECT_TRUE(peers.resumed(settings)) << protocols << ": with the ticket of the second";
        auto other = settings;
        other.session_peer = "mx.test[127.0.0.2]:25";
        EXPECT_FALSE(peers.resumed(other)) << "another host";
        other = settings;
        other.match_names.emplace_back("other.test");
        EXPECT_FALSE(peers.resumed(other)) << "another name to match";
        other = settings;
        other.verify = false;
        EXPECT_FALSE(peers.resumed(other)) << "without verification";
        other = settings;
        other.server_name = "other.test";
        EXPECT_FALSE(peers.resumed(other)) << "another SNI";
        other = settings;
        other.protocols.grade = "high";
        EXPECT_FALSE(peers.resumed(other)) << "other ciphers";
        other = settings;
        other.certificates = {peers.certificate};
        EXPECT_FALSE(peers.resumed(other)) << "with a certificate of ours";
        EXPECT_TRUE(peers.resumed(settings)) << "its own is still there";
    }
}

TEST(OpenSslTls, NoSessionWhereNoneIsWanted) {
    Peers peers;
    auto settings = settings_for(peers);
    settings.session_lifetime = 0s;
    EXPECT_FALSE(peers.resumed(settings));
    EXPECT_FALSE(peers.resumed(settings));
    settings.session_lifetime = 3600s;
    settings.session_peer.clear();
    EXPECT_FALSE(peers.resumed(settings));
    EXPECT_FALSE(peers.resumed(settings));
}

TEST(TlsClientCache, IsBoundedAndForgetsWhatIsOld) {
    TlsClientCache cache;
    const env::SteadyTime now{};
    const auto session = [] {
        TlsClientCache::Session out(SSL_SESSION_new(), SSL_SESSION_free);
        SSL_SESSION_set_protocol_version(out.get(), TLS1_3_VERSION);
        return out;
    };
    cache.keep("old", session(), now + 1s);
    EXPECT_FALSE(cache.take("old", now + 1s));
    for (std::size_t i = 0; i < TlsClientCache::sessions_max + 10; ++i)
        cache.keep(std::to_string(i), session(), now + 1s);
    EXPECT_EQ(cache.sessions(), TlsClientCache::sessions_max);
    EXPECT_FALSE(cache.take("0", now));
    EXPECT_TRUE(cache.take("2009", now));
    EXPECT_FALSE(cache.take("2009", now)) << "used once";
}

}  // namespace
}  // namespace platform
