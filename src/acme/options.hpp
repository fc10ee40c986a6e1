// The parameters of acme/. Off unless acme_domains names somebody.
#pragma once

#include "acme/key.hpp"
#include "acme/order_session.hpp"
#include "base/parameter.hpp"

#include <array>
#include <chrono>
#include <expected>
#include <string>
#include <utility>
#include <vector>

namespace acme {

constexpr auto enum_words(ChallengeType) {
    return std::array<std::pair<std::string_view, ChallengeType>, 2>{
        {{"http-01", ChallengeType::Http01}, {"tls-alpn-01", ChallengeType::TlsAlpn01}}};
}

struct Options {
    std::string directory_url, http_listen, tls_listen, webroot, folder, ca_file, external_account,
        external_account_key_file;
    std::vector<std::string> domains, contacts, key_types;
    bool terms_agreed = false, reuse_key = false;
    ChallengeType challenge = ChallengeType::Http01;
    std::chrono::seconds renew_before{0}, retry_delay{300};
    static constexpr void describe(auto& parameter) {
        using namespace std::chrono_literals;
        using O = Options;
        using base::Between;
        using base::Default;
        parameter(
            "acme_domains", &O::domains, Default{""},
            "The host names to get a certificate for from an ACME authority (RFC 8555), the server's own "
            "first; empty: none is asked for. Braces make several certificates, chosen by the name a "
            "client asks for: { mail.example.org mx.example.org } { mail.example.net }.");
        parameter("acme_directory_url", &O::directory_url,
                  Default{"https://acme-v02.api.letsencrypt.org/directory"}, "The authority.");
        parameter("acme_terms_agreed", &O::terms_agreed, Default{"no"},
                  "yes: you have read the authority's terms of service and agree.");
        parameter("acme_contact", &O::contacts, Default{""},
                  "Mail addresses the authority may write to about the certificates.");
        parameter("acme_challenge", &O::challenge, Default{"http-01"},
                  "How to prove the names: http-01 (port 80, or acme_webroot) or tls-alpn-01 (port 443).");
        parameter("acme_http_listen", &O::http_listen, Default{"80"},
                  "Where to answer http-01: a port of inet_interfaces, or address:port.");
        parameter("acme_tls_listen", &O::tls_listen, Default{"443"},
                  "Where to answer tls-alpn-01: a port of inet_interfaces, or address:port.");
        parameter(
            "acme_webroot", &O::webroot, Default{""},
            "The folder of a web server that answers http-01 for us: proofs are written into its "
            ".well-known/acme-challenge, which mail_owner must be able to write; nothing is listened on.");
        parameter("acme_key_types", &O::key_types, Default{"ecdsa"},
                  "ecdsa, rsa, or both side by side: a certificate for each.");
        parameter("acme_reuse_key", &O::reuse_key, Default{"no"},
                  "yes: renewals keep the private key, for TLSA records that name it.");
        parameter("acme_certificate_directory", &O::folder, Default{"$data_directory/acme"},
                  "Where account key and certificates are kept, readable by mail_owner alone.");
        parameter("acme_ca_file", &O::ca_file, Default{""},
                  "The root certificates of a private authority's own web server; empty: the system's.");
        parameter(
            "acme_renew_before", &O::renew_before, Between{0s, 31536000s}, Default{"0s"},
            "How long before its end a certificate is renewed; 0: when a third of its lifetime is left.");
        parameter("acme_retry_delay", &O::retry_delay, Between{1s, 86400s}, Default{"300s"},
                  "The wait after a first failure; it doubles with each, up to a day.");
        parameter("acme_eab_key_id", &O::external_account, Default{""},
                  "The key id of an account at the authority's site (external account binding).");
        parameter("acme_eab_key_file", &O::external_account_key_file, Default{""},
                  "A file with its HMAC key, base64url.");
    }
};

/// One certificate to have.
struct Wanted {
    std::vector<std::string> names;
    KeyType key_type = KeyType::Ecdsa;
    /// The first name and the kind of key: "mail.example.org.ecdsa".
    std::string id() const { return names.front() + "." + std::string(to_text(key_type)); }
};

constexpr std::size_t names_max = 100, certificates_max = 50;

/// Empty when ACME is off. Error: the parameter and what is wrong with it.
std::expected<std::vector<Wanted>, std::string> wanted_certificates(const Options& options);

}  // namespace acme
