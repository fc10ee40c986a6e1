// Settings of the program itself and of TLS on the listening side, under their main.cf names.
#pragma once

#include "base/parameter.hpp"
#include "policy/options.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace app {

enum class IpProtocols { All, V4, V6 };
constexpr auto enum_words(IpProtocols) {
    return std::array<std::pair<std::string_view, IpProtocols>, 7>{{{"all", IpProtocols::All},
                                                                    {"ipv4", IpProtocols::V4},
                                                                    {"ipv6", IpProtocols::V6},
                                                                    {"ipv4, ipv6", IpProtocols::All},
                                                                    {"ipv4,ipv6", IpProtocols::All},
                                                                    {"ipv6, ipv4", IpProtocols::All},
                                                                    {"ipv4 ipv6", IpProtocols::All}}};
}

struct ProgramOptions {
    std::string queue_directory, data_directory, store_directory, control_socket, mail_owner, log_file,
        syslog_name;
    std::string inet_interfaces;
    IpProtocols protocols = IpProtocols::All;
    std::uint32_t loops = 0;
    std::uint32_t workers = 2;
    bool log_json = false;
    std::uint32_t stop_seconds = 10;
    std::chrono::seconds certificate_interval{60};
    std::uint64_t queue_minfree = 0, store_reserve = 8388608;
    static constexpr void describe(auto& parameter) {
        using namespace std::chrono_literals;
        using O = ProgramOptions;
        using base::Between;
        using base::Default;
        parameter(
            "queue_minfree", &O::queue_minfree, Between{0, 1ULL << 62},
            "With fewer octets free where the queue is stored mail is refused with 452; never fewer than "
            "1.5 times message_size_limit.");
        parameter(
            "postrider_store_reserve", &O::store_reserve, Between{0, 1ULL << 40},
            "Octets that stay free for the store itself, beside queue_minfree: it needs room to go on, and "
            "to erase.");
        parameter("queue_directory", &O::queue_directory, Default{"/var/spool/postfix"},
                  "The folder of the queue and of relative socket names.");
        parameter("data_directory", &O::data_directory, Default{"/var/lib/postfix"},
                  "A folder for state that is not mail.");
        parameter("postrider_store_directory", &O::store_directory, Default{"$queue_directory/postrider"},
                  "Where the queue's store is.");
        parameter("postrider_control_socket", &O::control_socket,
                  Default{"$queue_directory/postrider/control"},
                  "The socket that postrider status, stop, reload and the queue tools use.");
        parameter("mail_owner", &O::mail_owner, Default{"postfix"},
                  "The user the server becomes when it was started as root.");
        parameter("maillog_file", &O::log_file, Default{""},
                  "A log file, or /dev/stdout; empty: syslog, or standard output where there is no syslog.");
        parameter("syslog_name", &O::syslog_name, Default{"postrider"},
                  "The name in front of each log line; with postfix, tools made for Postfix's log read it "
                  "unchanged.");
        parameter("postrider_log_json", &O::log_json, Default{"no"},
                  "Write one JSON object a line instead of Postfix's form.");
        parameter("inet_interfaces", &O::inet_interfaces, Default{"all"},
                  "The addresses to listen on: all, loopback-only, or a list.");
        parameter("inet_protocols", &O::protocols, Default{"all"}, "ipv4, ipv6 or all.");
        parameter("postrider_network_loops", &O::loops, Between{0, 64},
                  "Threads that serve connections; 0: one for each processor.");
        parameter("postrider_workers", &O::workers, Between{1, 256},
                  "Threads for slow work such as writing mailboxes.");
        parameter(
            "tls_certificate_check_interval", &O::certificate_interval, Between{1s, 86400s}, Default{"60s"},
            "How often certificate files are looked at; changed ones are taken into use without a restart.");
        parameter("postrider_stop_timeout", &O::stop_seconds, Between{1, 3600},
                  "How many seconds a stop waits for sessions and deliveries to end.");
    }
};

struct DnsOptions {
    std::vector<std::string> servers;
    std::string trust_anchor;
    bool strict = false;
    std::chrono::seconds timeout{15};
    static constexpr void describe(auto& parameter) {
        using namespace std::chrono_literals;
        using O = DnsOptions;
        parameter("dns_servers", &O::servers, base::Default{""},
                  "Name servers as address or address:port; empty: those of /etc/resolv.conf; recursion: ask "
                  "from the "
                  "root down.");
        parameter("dns_trust_anchor_file", &O::trust_anchor, base::Default{"/usr/share/dns/root.key"},
                  "The root's key for DNSSEC; empty: nothing is validated.");
        parameter("dns_dnssec_strict", &O::strict, base::Default{"no"},
                  "Treat what does not validate as an error, not only as insecure.");
        parameter("dns_timeout", &O::timeout, base::Between{1s, 300s}, base::Default{"15s"},
                  "How long to wait for an answer.");
    }
};

enum class TlsLevel { Unset, None, May, Encrypt };
constexpr auto enum_words(TlsLevel) {
    return std::array<std::pair<std::string_view, TlsLevel>, 4>{{{"", TlsLevel::Unset},
                                                                 {"none", TlsLevel::None},
                                                                 {"may", TlsLevel::May},
                                                                 {"encrypt", TlsLevel::Encrypt}}};
}

struct TlsServerOptions {
    TlsLevel level = TlsLevel::Unset;
    std::string certificate_file, key_file, ec_certificate_file, ec_key_file, protocols, mandatory_protocols,
        ciphers, mandatory_ciphers, exclude_ciphers, mandatory_exclude_ciphers, ca_file, ca_path, sni_maps;
    std::vector<std::string> chain_files, alpn;
    bool wrapper_mode = false, use_tls = false, enforce_tls = false, ask_certificate = false,
         require_certificate = false, prefer_server_ciphers = false, peer_name_lookup = true;
    std::string fingerprint_digest, medium_list, high_list;
    std::uint32_t log_level = 0, verify_depth = 9;
    std::chrono::seconds session_lifetime{3600};
    static constexpr void describe(auto& parameter) {
        using namespace std::chrono_literals;
        using O = TlsServerOptions;
        using base::Between;
        using base::Default;
        parameter("smtpd_tls_security_level", &O::level, Default{""},
                  "none, may (offer STARTTLS) or encrypt (require it).");
        parameter("smtpd_use_tls", &O::use_tls, Default{"no"},
                  "The old form of smtpd_tls_security_level = may.");
        parameter("smtpd_enforce_tls", &O::enforce_tls, Default{"no"},
                  "The old form of smtpd_tls_security_level = encrypt.");
        parameter("smtpd_tls_cert_file", &O::certificate_file, Default{""},
                  "The server's certificate and its chain, PEM, the server's own first.");
        parameter("smtpd_tls_key_file", &O::key_file, Default{"$smtpd_tls_cert_file"},
                  "The certificate's private key, PEM, without a password.");
        parameter("smtpd_tls_chain_files", &O::chain_files, Default{""},
                  "Files that hold key and certificate chain together; RSA and ECDSA side by side.");
        parameter("smtpd_tls_eccert_file", &O::ec_certificate_file, Default{""},
                  "An ECDSA certificate and its chain beside the one of smtpd_tls_cert_file.");
        parameter("smtpd_tls_eckey_file", &O::ec_key_file, Default{"$smtpd_tls_eccert_file"},
                  "Its private key.");
        parameter(
            "tls_server_sni_maps", &O::sni_maps, Default{""},
            "Certificates by the name that a client asks for (SNI): tables of source text whose keys are "
            "host names, or .domain for the names below it, and whose values are files as in "
            "smtpd_tls_chain_files.");
        parameter("smtpd_tls_alpn", &O::alpn, Default{"smtp, esmtp"},
                  "A client that names application protocols in its handshake (RFC 7301) must name one of "
                  "these: a browser that was led here is turned away. Empty: they are not looked at.");
        parameter("smtpd_tls_wrappermode", &O::wrapper_mode, Default{"no"},
                  "TLS from the first octet (port 465).");
        parameter("smtpd_tls_protocols", &O::protocols, Default{">=TLSv1.2"},
                  "Protocols of opportunistic TLS; >=TLSv1 also takes in what very old servers speak.");
        parameter("smtpd_tls_mandatory_protocols", &O::mandatory_protocols, Default{">=TLSv1.2"},
                  "Protocols where TLS is required.");
        parameter(
            "smtpd_tls_ciphers", &O::ciphers, Default{"medium"},
            "The cipher grade of opportunistic TLS: medium or high; the old low and export are medium.");
        parameter("smtpd_tls_mandatory_ciphers", &O::mandatory_ciphers, Default{"medium"},
                  "The cipher grade where TLS is required.");
        parameter("tls_medium_cipherlist", &O::medium_list,
                  Default{"aNULL:-aNULL:HIGH:MEDIUM:+RC4:@STRENGTH"},
                  "The OpenSSL cipher list that the grade medium means (up to TLS 1.2).");
        parameter("tls_high_cipherlist", &O::high_list, Default{"aNULL:-aNULL:HIGH:@STRENGTH"},
                  "The OpenSSL cipher list that the grade high means (up to TLS 1.2).");
        parameter("smtpd_tls_exclude_ciphers", &O::exclude_ciphers, Default{""}, "Ciphers never used.");
        parameter("smtpd_tls_mandatory_exclude_ciphers", &O::mandatory_exclude_ciphers, Default{""},
                  "Ciphers not used where TLS is required.");
        parameter("smtpd_tls_CAfile", &O::ca_file, Default{""},
                  "Certificates of authorities for client certificates.");
        parameter("smtpd_tls_CApath", &O::ca_path, Default{""}, "A hashed folder of the same.");
        parameter("smtpd_tls_ask_ccert", &O::ask_certificate, Default{"no"},
                  "Ask clients for a certificate.");
        parameter("smtpd_tls_req_ccert", &O::require_certificate, Default{"no"},
                  "Where TLS is required, refuse clients without a certificate that verifies.");
        parameter("smtpd_tls_ccert_verifydepth", &O::verify_depth, Between{0, 100},
                  "How many authorities may stand between a client's certificate and its root.");
        parameter("smtpd_tls_fingerprint_digest", &O::fingerprint_digest,
                  Default{"${{$compatibility_level} <level {3.6} ? {md5} : {sha256}}"},
                  "How fingerprints of client certificates are made: sha256, sha1, md5.");
        parameter("smtpd_tls_session_cache_timeout", &O::session_lifetime, Between{0s, 86400s},
                  Default{"3600s"},
                  "How long a client may resume a TLS session by its ticket; 0: no tickets are given.");
        parameter("tls_preempt_cipherlist", &O::prefer_server_ciphers, Default{"yes"},
                  "The server's order of ciphers counts (ChaCha20 first for clients that put it first).");
        parameter("smtpd_tls_loglevel", &O::log_level, Between{0, 4}, "1: log each TLS handshake.");
        parameter("smtpd_peername_lookup", &O::peer_name_lookup, Default{"yes"},
                  "Look up the names of clients: in the hosts file, then in the DNS.");
    }
};

struct RepairOptions {
    bool always = false, append_at_my_origin = true;
    policy::AuthorCheck author_check = policy::AuthorCheck::None;
    std::string my_origin;
    std::vector<std::string> clients;
    static constexpr void describe(auto& parameter) {
        parameter(
            "smtpd_from_login_mismatch_action", &RepairOptions::author_check, base::Default{"none"},
            "What is done with a message of a client that logged in when an address in its From: or "
            "Sender: is not the login name's (smtpd_sender_login_maps, smtpd_sender_login_own_address): "
            "none, warn (in the log), reject.");
        parameter(
            "local_header_rewrite_clients", &RepairOptions::clients,
            base::Default{"permit_sasl_authenticated"},
            "Whose messages are mended: Date:, Message-ID: and From: added where missing, addresses "
            "without a domain completed. Of permit_sasl_authenticated, permit_mynetworks, "
            "permit_inet_interfaces, permit_tls_clientcerts, check_address_map type:table, static:all.");
        parameter("myorigin", &RepairOptions::my_origin, base::Default{"$myhostname"},
                  "The domain of addresses without one, such as those of local mail.");
        parameter("append_at_myorigin", &RepairOptions::append_at_my_origin, base::Default{"yes"},
                  "Complete addresses without a domain by @$myorigin.");
        parameter("always_add_missing_headers", &RepairOptions::always, base::Default{"no"},
                  "Add missing From:, Date: and Message-ID: to every message; otherwise only for clients "
                  "that logged in "
                  "(RFC 6409 section 8).");
    }
};

}  // namespace app
