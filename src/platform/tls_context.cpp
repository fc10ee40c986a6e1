#include "platform/tls_context.hpp"

#include "base/result.hpp"
#include "base/text.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>

namespace platform {
namespace {

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;

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

/// The protocol versions Postfix's notations mean: ">=TLSv1.2", "<=TLSv1.3", "!SSLv2, !TLSv1", "TLSv1.2
/// TLSv1.3".
struct ProtocolRange {
    int lowest = 0;  // OpenSSL's version numbers; 0: no bound
    int highest = 0;
    unsigned long disabled = 0;  // SSL_OP_NO_…
};
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

}  // namespace

std::string last_tls_error() {
    const unsigned long code = ERR_get_error();
    ERR_clear_error();
    if (code == 0) return "unknown error";
    const char* reason = ERR_reason_error_string(code);
    return reason ? reason : fmt::format("error {:x}", code);
}

std::expected<TlsContext, std::string> new_context(const SSL_METHOD* method,
                                                   const env::TlsProtocols& wanted) {
    TRY_ASSIGN(const ProtocolRange range, parse_protocols(wanted.protocols));
    TRY_ASSIGN(const std::string ciphers, cipher_list(wanted));
    TlsContext context(SSL_CTX_new(method), SSL_CTX_free);
    if (!context) return std::unexpected(last_tls_error());
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
    if (!used) return std::unexpected("the certificate cannot be used: " + last_tls_error());
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

void send_authority_names(SSL_CTX* context, const std::string& ca_pem) {
    const auto bio = bio_of(ca_pem);
    while (X509* ca = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
        SSL_CTX_add_client_CA(context, ca);
        X509_free(ca);
    }
    ERR_clear_error();
}

}  // namespace platform
