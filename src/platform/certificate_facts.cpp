#include "platform/certificate_facts.hpp"

#include "base/text.hpp"

#include <ctime>
#include <memory>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

namespace platform {
namespace {

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

Certificate next_certificate(BIO* pem) {
    return {PEM_read_bio_X509(pem, nullptr, nullptr, nullptr), X509_free};
}

std::chrono::system_clock::time_point time_of(const ASN1_TIME* at) {
    std::tm broken{};
    if (!at || ASN1_TIME_to_tm(at, &broken) != 1) return {};
    return std::chrono::system_clock::from_time_t(::timegm(&broken));
}

/// As RFC 2253 writes names.
std::string text_of(const X509_NAME* name) {
    const Bio text(BIO_new(BIO_s_mem()), BIO_free);
    X509_NAME_print_ex(text.get(), name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
    char* data = nullptr;
    const long size = BIO_get_mem_data(text.get(), &data);
    return base::printable({data, static_cast<std::size_t>(size)}, 255);
}

std::string common_name(const X509* certificate) {
    char text[256] = {};
    const int size =
        X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, text, sizeof text);
    return size > 0 ? base::printable(text, 255) : "";
}

std::vector<std::string> names_of(const X509* certificate) {
    std::vector<std::string> out;
    auto* names =
        static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
    for (int i = 0; names && i < sk_GENERAL_NAME_num(names); ++i) {
        const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_DNS) continue;
        const auto* octets = reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName));
        out.push_back(
            base::printable({octets, static_cast<std::size_t>(ASN1_STRING_length(name->d.dNSName))}, 255));
    }
    GENERAL_NAMES_free(names);
    if (!out.empty()) return out;
    if (auto name = common_name(certificate); !name.empty()) out.push_back(std::move(name));
    return out;
}

}  // namespace

std::expected<CertificateFacts, std::string> certificate_facts(const std::string& pem) {
    constexpr int chain_max = 100;
    const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free);
    const Certificate leaf = next_certificate(bio.get());
    ERR_clear_error();
    if (!leaf) return std::unexpected("no certificate in PEM form");
    CertificateFacts out;
    out.not_before = time_of(X509_get0_notBefore(leaf.get()));
    out.not_after = time_of(X509_get0_notAfter(leaf.get()));
    out.names = names_of(leaf.get());
    out.subject = text_of(X509_get_subject_name(leaf.get()));
    out.issuer = text_of(X509_get_issuer_name(leaf.get()));
    for (int i = 0; i < chain_max; ++i) {
        const Certificate other = next_certificate(bio.get());
        if (!other) break;
        const auto end = time_of(X509_get0_notAfter(other.get()));
        if (!out.other_name.empty() && end >= out.other_not_after) continue;
        const std::string name = common_name(other.get());
        out.other_name = name.empty() ? "without a common name" : name;
        out.other_not_after = end;
    }
    ERR_clear_error();  // the end of the text is an error to OpenSSL
    return out;
}

}  // namespace platform
