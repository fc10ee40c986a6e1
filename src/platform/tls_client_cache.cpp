#include "platform/tls_client_cache.hpp"

#include "base/check.hpp"

#include <openssl/evp.h>

namespace platform {
namespace {

/// Of texts that may hold anything: their sizes are part of it.
class Digest {
 public:
    Digest() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
        CHECK(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1);
    }
    void add(std::string_view text) {
        const std::string size = std::to_string(text.size()) + ":";
        EVP_DigestUpdate(context_.get(), size.data(), size.size());
        EVP_DigestUpdate(context_.get(), text.data(), text.size());
    }
    std::string take() {
        unsigned char octets[EVP_MAX_MD_SIZE];
        unsigned size = 0;
        EVP_DigestFinal_ex(context_.get(), octets, &size);
        return {reinterpret_cast<const char*>(octets), size};
    }

 private:
    std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

}  // namespace

std::string context_key(const env::TlsClientSettings& settings) {
    Digest out;
    const auto& wanted = settings.protocols;
    for (const auto* text : {&wanted.protocols, &wanted.grade, &wanted.cipher_list, &wanted.exclude_ciphers,
                             &settings.ca_pem, &settings.ca_path})
        out.add(*text);
    out.add(settings.verify ? "verify" : "");
    for (const auto& certificate : settings.certificates) {
        out.add(certificate.chain_pem);
        out.add(certificate.key_pem);
    }
    return out.take();
}

std::string session_key(const std::string& context, const env::TlsClientSettings& settings) {
    Digest out;
    out.add(context);
    out.add(settings.session_peer);
    out.add(settings.server_name);
    for (const auto& name : settings.match_names) out.add(name);
    return out.take();
}

TlsClientCache::Context TlsClientCache::context(const std::string& key) const {
    const auto found = contexts_.find(key);
    return found == contexts_.end() ? nullptr : found->second;
}

void TlsClientCache::keep(const std::string& key, Context context) {
    if (contexts_.size() >= contexts_max) contexts_.clear();  // streams hold those that they use
    contexts_.insert_or_assign(key, std::move(context));
}

TlsClientCache::Session TlsClientCache::take(const std::string& key, env::SteadyTime now) {
    Session out(nullptr, SSL_SESSION_free);
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) return out;
    if (now < found->second->until) {
        SSL_SESSION* kept = found->second->session.get();
        SSL_SESSION_up_ref(kept);
        out.reset(kept);
        if (SSL_SESSION_get_protocol_version(kept) < TLS1_3_VERSION) return out;
    }
    order_.erase(found->second);
    by_key_.erase(found);
    return out;
}

void TlsClientCache::keep(const std::string& key, Session session, env::SteadyTime until) {
    if (const auto found = by_key_.find(key); found != by_key_.end()) {
        order_.erase(found->second);
        by_key_.erase(found);
    }
    if (order_.size() >= sessions_max) {
        by_key_.erase(order_.front().key);
        order_.pop_front();
    }
    order_.push_back({key, std::move(session), until});
    by_key_.emplace(key, std::prev(order_.end()));
}

}  // namespace platform
