#include "acme/certificate.hpp"

#include "base/check.hpp"
#include "base/result.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

namespace acme {
namespace {

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
using Request = std::unique_ptr<X509_REQ, decltype(&X509_REQ_free)>;
using Extension = std::unique_ptr<X509_EXTENSION, decltype(&X509_EXTENSION_free)>;

constexpr std::size_t common_name_max = 64;  // RFC 5280 appendix A, ub-common-name
constexpr unsigned chain_certificates_max = 16;

EVP_PKEY* pkey(const Key& key) { return static_cast<EVP_PKEY*>(key.handle()); }

/// The names hold no comma nor colon: parse_certificate_name() saw to it.
Extension alternative_names(const std::vector<std::string>& names) {
    std::string text;
    for (const auto& name : names) text += (text.empty() ? "DNS:" : ",DNS:") + name;
    Extension out(X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, text.c_str()),
                  X509_EXTENSION_free);
    CHECK(out != nullptr);
    return out;
}

void set_common_name(X509_NAME* subject, const std::string& name) {
    if (name.size() > common_name_max) return;
    CHECK(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                                     reinterpret_cast<const unsigned char*>(name.data()),
                                     static_cast<int>(name.size()), -1, 0) == 1);
}

/// Everything but the extensions and the signature.
Certificate blank_certificate(const Key& key, const std::string& name, env::WallTime now,
                              std::chrono::seconds lifetime) {
    Certificate out(X509_new(), X509_free);
    CHECK(out && X509_set_version(out.get(), X509_VERSION_3) == 1);
    unsigned char serial[8];
    CHECK(RAND_bytes(serial, sizeof serial) == 1);
    std::uint64_t number = 0;
    for (const unsigned char octet : serial) number = number << 8 | octet;
    ASN1_INTEGER_set_uint64(X509_get_serialNumber(out.get()), number >> 1);
    constexpr std::time_t clock_skew = 3600;
    const auto at = static_cast<std::time_t>(env::unix_time(now));
    ASN1_TIME_set(X509_getm_notBefore(out.get()), at - clock_skew);
    ASN1_TIME_set(X509_getm_notAfter(out.get()), at + static_cast<std::time_t>(lifetime.count()));
    set_common_name(X509_get_subject_name(out.get()), name);
    X509_set_issuer_name(out.get(), X509_get_subject_name(out.get()));
    CHECK(X509_set_pubkey(out.get(), pkey(key)) == 1);
    return out;
}

std::string sign_to_pem(X509* certificate, const Key& key) {
    CHECK(X509_sign(certificate, pkey(key), EVP_sha256()) > 0);
    const Bio bio(BIO_new(BIO_s_mem()), BIO_free);
    CHECK(PEM_write_bio_X509(bio.get(), certificate) == 1);
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    return {data, static_cast<std::size_t>(size)};
}

void add(X509* certificate, const Extension& extension) {
    CHECK(X509_add_ext(certificate, extension.get(), -1) == 1);
}

/// id-pe-acmeIdentifier, critical: an OCTET STRING of the digest (RFC 8737 §3).
Extension acme_identifier(std::string_view digest) {
    std::string der = std::string("\x04") + static_cast<char>(digest.size());
    der += digest;
    ASN1_OBJECT* object = OBJ_txt2obj("1.3.6.1.5.5.7.1.31", 1);
    ASN1_OCTET_STRING* value = ASN1_OCTET_STRING_new();
    CHECK(object && value);
    ASN1_OCTET_STRING_set(value, reinterpret_cast<const unsigned char*>(der.data()),
                          static_cast<int>(der.size()));
    Extension out(X509_EXTENSION_create_by_OBJ(nullptr, object, 1, value), X509_EXTENSION_free);
    ASN1_OCTET_STRING_free(value);
    ASN1_OBJECT_free(object);
    CHECK(out != nullptr);
    return out;
}

}  // namespace

std::expected<std::string, std::string> parse_certificate_name(std::string_view text) {
    constexpr std::size_t name_max = 253, label_max = 63;
    const auto wrong = [&](std::string_view why) {
        return std::unexpected(fmt::format("'{}' {}", base::printable(text, 100), why));
    };
    if (text.starts_with("*."))
        return wrong("is a wildcard, which http-01 and tls-alpn-01 cannot prove: name each host");
    if (text.empty() || text.size() > name_max) return wrong("is no host name");
    const auto labels = base::split(text, '.');
    if (labels.size() < 2) return wrong("is not a full host name: it has no dot");
    for (const auto label : labels) {
        const bool good = !label.empty() && label.size() <= label_max && label.front() != '-' &&
                          label.back() != '-' &&
                          std::ranges::all_of(label, [](char c) { return base::is_alnum(c) || c == '-'; });
        if (!good) return wrong("is no host name (write international names in their xn-- form)");
    }
    if (std::ranges::all_of(labels.back(), base::is_digit)) return wrong("is an address, not a host name");
    return base::lower(text);
}

std::string certificate_request(const Key& key, const std::vector<std::string>& names) {
    const Request request(X509_REQ_new(), X509_REQ_free);
    CHECK(request && !names.empty());
    set_common_name(X509_REQ_get_subject_name(request.get()), names.front());
    const Extension extension = alternative_names(names);
    STACK_OF(X509_EXTENSION)* list = sk_X509_EXTENSION_new_null();
    CHECK(list && sk_X509_EXTENSION_push(list, extension.get()) > 0);
    CHECK(X509_REQ_add_extensions(request.get(), list) == 1);
    sk_X509_EXTENSION_free(list);
    CHECK(X509_REQ_set_pubkey(request.get(), pkey(key)) == 1);
    CHECK(X509_REQ_sign(request.get(), pkey(key), EVP_sha256()) > 0);
    unsigned char* der = nullptr;
    const int size = i2d_X509_REQ(request.get(), &der);
    CHECK(size > 0);
    std::string out(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
    OPENSSL_free(der);
    return out;
}

std::string challenge_certificate(const Key& key, const std::string& name, std::string_view digest,
                                  env::WallTime now) {
    const Certificate out = blank_certificate(key, name, now, std::chrono::hours(24));
    add(out.get(), alternative_names({name}));
    add(out.get(), acme_identifier(digest));
    return sign_to_pem(out.get(), key);
}

std::string placeholder_certificate(const Key& key, const std::vector<std::string>& names, env::WallTime now,
                                    std::chrono::hours lifetime) {
    const Certificate out = blank_certificate(key, names.front(), now, lifetime);
    add(out.get(), alternative_names(names));
    return sign_to_pem(out.get(), key);
}

std::expected<void, std::string> check_chain(const std::string& chain_pem, const Key& key,
                                             const std::vector<std::string>& names, env::WallTime now) {
    const Bio bio(BIO_new_mem_buf(chain_pem.data(), static_cast<int>(chain_pem.size())), BIO_free);
    const Certificate leaf(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), X509_free);
    ERR_clear_error();
    if (!leaf) return std::unexpected("the authority sent no certificate in PEM form");
    if (X509_check_private_key(leaf.get(), pkey(key)) != 1) {
        ERR_clear_error();
        return std::unexpected("the authority's certificate is for another key");
    }
    for (const auto& name : names)
        if (X509_check_host(leaf.get(), name.data(), name.size(), X509_CHECK_FLAG_NEVER_CHECK_SUBJECT,
                            nullptr) != 1)
            return std::unexpected(fmt::format("the authority's certificate does not name {}", name));
    std::time_t at = static_cast<std::time_t>(env::unix_time(now));
    if (X509_cmp_time(X509_get0_notAfter(leaf.get()), &at) <= 0)
        return std::unexpected("the authority's certificate has expired already; is the clock right?");
    constexpr std::time_t clock_skew = 3600;
    at += clock_skew;
    if (X509_cmp_time(X509_get0_notBefore(leaf.get()), &at) >= 0)
        return std::unexpected("the authority's certificate is not valid yet; is the clock right?");
    for (unsigned count = 1;; ++count) {
        const Certificate next(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), X509_free);
        ERR_clear_error();
        if (!next) return {};
        if (count >= chain_certificates_max) return std::unexpected("the authority's chain is too long");
    }
}

}  // namespace acme
