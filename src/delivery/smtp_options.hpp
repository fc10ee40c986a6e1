// The settings of the smtp and lmtp transports under their main.cf names (an lmtp service reads lmtp_…,
// never smtp_…: config::Configuration::for_lmtp). Immutable once a transport runs.
#pragma once

#include "base/parameter.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace delivery {

enum class ClientTlsLevel { Unset, None, May, Encrypt, Fingerprint, Verify, Secure };
constexpr auto enum_words(ClientTlsLevel) {
    using L = ClientTlsLevel;
    return std::array<std::pair<std::string_view, L>, 8>{{{"", L::Unset},
                                                          {"none", L::None},
                                                          {"may", L::May},
                                                          {"dane", L::May},
                                                          {"encrypt", L::Encrypt},
                                                          {"fingerprint", L::Fingerprint},
                                                          {"verify", L::Verify},
                                                          {"secure", L::Secure}}};
}

enum class AddressPreference { Any, V4, V6 };
constexpr auto enum_words(AddressPreference) {
    return std::array<std::pair<std::string_view, AddressPreference>, 3>{
        {{"any", AddressPreference::Any}, {"ipv4", AddressPreference::V4}, {"ipv6", AddressPreference::V6}}};
}

/// smtp_dns_support_level; empty: disable_dns_lookups decides. What validates is told apart at every level.
enum class DnsSupport { Unset, Disabled, Enabled, Dnssec };
constexpr auto enum_words(DnsSupport) {
    return std::array<std::pair<std::string_view, DnsSupport>, 4>{{{"", DnsSupport::Unset},
                                                                   {"disabled", DnsSupport::Disabled},
                                                                   {"enabled", DnsSupport::Enabled},
                                                                   {"dnssec", DnsSupport::Dnssec}}};
}

struct SmtpClientOptions {
    std::string helo_name;
    std::chrono::seconds connect_timeout{30}, helo_timeout{300}, tls_timeout{300}, mail_timeout{300},
        rcpt_timeout{300}, data_init_timeout{120}, data_transfer_timeout{180}, data_done_timeout{600},
        reset_timeout{20}, quit_timeout{300}, xforward_timeout{300};
    bool always_ehlo = true, never_ehlo = false, send_xforward = false;
    std::uint32_t mx_address_limit = 5, mx_session_limit = 2;
    bool skip_5xx_greeting = true;
    AddressPreference address_preference = AddressPreference::Any;
    std::string bind_address, bind_address6;
    bool bind_address_enforce = false, randomize_addresses = true, balance_protocols = true;
    std::vector<std::string> fallback_relay, discarded_keywords, host_lookup;
    std::string discarded_keyword_maps, reply_filter, best_mx_transport, tcp_port;
    bool disable_dns = false, ignore_mx_error = false, defer_without_address = false;
    DnsSupport dns_support = DnsSupport::Unset;
    bool disable_conversion = false;
    std::chrono::seconds cache_time_limit{2};
    std::chrono::seconds reuse_time_limit{300};
    std::uint32_t reuse_count_limit = 100;
    std::string inet_protocols;

    ClientTlsLevel tls_level = ClientTlsLevel::Unset;
    bool use_tls = false, enforce_tls = false, wrapper_mode = false;
    std::string policy_maps, ca_file, ca_path, certificate_file, key_file, ec_certificate_file, ec_key_file,
        dsa_certificate_file, dsa_key_file, protocols, mandatory_protocols, ciphers, mandatory_ciphers,
        exclude_ciphers, mandatory_exclude_ciphers, server_name;
    std::vector<std::string> verify_match, secure_match, fingerprint_match;
    std::vector<std::string> chain_files;
    std::uint32_t tls_log_level = 0;
    std::string session_database;
    std::chrono::seconds session_lifetime{3600};
    bool tls_connection_reuse = false;

    bool sasl = false, sender_dependent = false, login_soft_bounce = true;
    std::chrono::seconds token_lifetime{300};
    std::string password_maps;
    std::vector<std::string> security_options, tls_security_options, mechanism_filter;

    static constexpr void describe(auto& parameter) {
        using namespace std::chrono_literals;
        using O = SmtpClientOptions;
        using base::Between;
        using base::Default;
        parameter("smtp_helo_name", &O::helo_name, Default{"$myhostname"}, "The name said in EHLO and LHLO.");
        parameter("smtp_connect_timeout", &O::connect_timeout, Between{1s, 86400s}, Default{"30s"},
                  "How long to wait for a connection.");
        parameter("smtp_helo_timeout", &O::helo_timeout, Between{1s, 86400s}, Default{"300s"},
                  "How long to wait for the greeting and the reply to EHLO (RFC 5321 section 4.5.3.2.1).");
        parameter("smtp_starttls_timeout", &O::tls_timeout, Between{1s, 86400s}, Default{"300s"},
                  "How long STARTTLS and the handshake may take.");
        parameter("smtp_always_send_ehlo", &O::always_ehlo, Default{"yes"},
                  "Begin with EHLO; no: only where the greeting says ESMTP, else with HELO.");
        parameter("smtp_never_send_ehlo", &O::never_ehlo, Default{"no"},
                  "Begin with HELO: no extension is used, and no TLS.");
        parameter(
            "smtp_send_xforward_command", &O::send_xforward, Default{"no"},
            "Tell servers that offer XFORWARD, such as a content filter, where each message came from.");
        parameter("smtp_xforward_timeout", &O::xforward_timeout, Between{1s, 86400s}, Default{"300s"},
                  "How long to wait for the reply to XFORWARD.");
        parameter("smtp_mail_timeout", &O::mail_timeout, Between{1s, 86400s}, Default{"300s"},
                  "How long to wait for the reply to MAIL FROM.");
        parameter("smtp_rcpt_timeout", &O::rcpt_timeout, Between{1s, 86400s}, Default{"300s"},
                  "How long to wait for the reply to RCPT TO.");
        parameter("smtp_data_init_timeout", &O::data_init_timeout, Between{1s, 86400s}, Default{"120s"},
                  "How long to wait for the reply to DATA.");
        parameter("smtp_data_xfer_timeout", &O::data_transfer_timeout, Between{1s, 86400s}, Default{"180s"},
                  "How long the other side may stop taking content.");
        parameter("smtp_data_done_timeout", &O::data_done_timeout, Between{1s, 86400s}, Default{"600s"},
                  "How long to wait for the reply to the end of the message (RFC 5321 section 4.5.3.2.6).");
        parameter("smtp_rset_timeout", &O::reset_timeout, Between{1s, 86400s}, Default{"20s"},
                  "How long to wait for the reply to RSET.");
        parameter("smtp_quit_timeout", &O::quit_timeout, Between{1s, 86400s}, Default{"300s"},
                  "How long to wait for the reply to QUIT.");
        parameter("smtp_mx_address_limit", &O::mx_address_limit, Between{0, 1000},
                  "The most addresses of a next hop tried in one delivery; 0: no limit.");
        parameter("smtp_mx_session_limit", &O::mx_session_limit, Between{0, 1000},
                  "The most servers of a next hop that a message is offered to in one delivery; those that "
                  "fail before that (connection, greeting, TLS) do not count; 0: no limit.");
        parameter("smtp_skip_5xx_greeting", &O::skip_5xx_greeting, Default{"yes"},
                  "Go on to the next server, or try later, where one greets with 5xx; no: return the mail.");
        parameter("smtp_address_preference", &O::address_preference, Default{"any"},
                  "ipv4, ipv6 or any: which addresses of equal preference come first.");
        parameter("smtp_randomize_addresses", &O::randomize_addresses, Default{"yes"},
                  "Shuffle the addresses of equal preference (RFC 5321 section 5.1).");
        parameter("smtp_balance_inet_protocols", &O::balance_protocols, Default{"yes"},
                  "Where a next hop has IPv4 and IPv6 addresses, let both be among the smtp_mx_address_limit "
                  "that are tried.");
        parameter("smtp_tcp_port", &O::tcp_port, Default{"smtp"},
                  "The port of next hops that name none; an lmtp service reads lmtp_tcp_port.");
        parameter(
            "smtp_host_lookup", &O::host_lookup, Default{"dns"},
            "Where host addresses are looked up: dns, native (the hosts file, then the DNS), or both in "
            "their order.");
        parameter("disable_dns_lookups", &O::disable_dns, Default{"no"},
                  "Look up no MX: a next hop is a host, found as with smtp_host_lookup = native.");
        parameter("smtp_dns_support_level", &O::dns_support, Default{""},
                  "disabled: as disable_dns_lookups; enabled and dnssec: the DNS is used; whether an answer "
                  "validates is known at both.");
        parameter("ignore_mx_lookup_error", &O::ignore_mx_error, Default{"no"},
                  "When the MX lookup fails, go on as if the domain had no MX instead of waiting.");
        parameter("smtp_defer_if_no_mx_address_found", &O::defer_without_address, Default{"no"},
                  "Wait, instead of returning the mail, when no mail host of a domain has an address.");
        parameter(
            "best_mx_transport", &O::best_mx_transport, Default{""},
            "The transport for domains whose best mail host is this machine and that are in none of its "
            "lists; empty: their mail is returned, since it would loop.");
        parameter("smtp_bind_address", &O::bind_address, Default{""}, "The IPv4 address to connect from.");
        parameter("smtp_bind_address6", &O::bind_address6, Default{""}, "The IPv6 address to connect from.");
        parameter("smtp_bind_address_enforce", &O::bind_address_enforce, Default{"no"},
                  "Wait when smtp_bind_address cannot be used; no: connect from any address.");
        parameter("smtp_fallback_relay", &O::fallback_relay, Default{"$fallback_relay"},
                  "Next hops to try when a destination cannot be found or reached.");
        parameter("smtp_discard_ehlo_keywords", &O::discarded_keywords, Default{""},
                  "EHLO keywords of other servers that are not believed.");
        parameter("smtp_discard_ehlo_keyword_address_maps", &O::discarded_keyword_maps, Default{""},
                  "Tables from a server's address to EHLO keywords of it that are not believed.");
        parameter("smtp_reply_filter", &O::reply_filter, Default{""},
                  "Tables from a line of a server's reply to the line to read in its place.");
        parameter("disable_mime_output_conversion", &O::disable_conversion, Default{"no"},
                  "Send 8-bit content as it is to servers without 8BITMIME, instead of turning it into "
                  "quoted-printable.");
        parameter("smtp_connection_cache_time_limit", &O::cache_time_limit, Between{0s, 86400s},
                  Default{"2s"}, "How long an idle connection is kept for the next message.");
        parameter("smtp_connection_reuse_time_limit", &O::reuse_time_limit, Between{0s, 86400s},
                  Default{"300s"},
                  "How long a connection is used again and again, from when it was asked for; 0: no limit.");
        parameter("smtp_connection_reuse_count_limit", &O::reuse_count_limit, Between{0, 1000000},
                  "The most messages over one connection; 0: no limit.");
        parameter("inet_protocols", &O::inet_protocols, Default{"all"}, "ipv4, ipv6 or all.");
        parameter("smtp_tls_security_level", &O::tls_level, Default{""},
                  "Encryption to the next hop: none; may (goes on in clear where the other side has no TLS); "
                  "encrypt; "
                  "verify and secure (and the certificate must be right); fingerprint. dane acts as may: "
                  "TLSA records "
                  "are not looked up yet.");
        parameter("smtp_use_tls", &O::use_tls, Default{"no"},
                  "The old form of smtp_tls_security_level = may.");
        parameter("smtp_enforce_tls", &O::enforce_tls, Default{"no"},
                  "The old form of smtp_tls_security_level = encrypt.");
        parameter(
            "smtp_tls_wrappermode", &O::wrapper_mode, Default{"no"},
            "TLS from the first octet (port 465); requires smtp_tls_security_level = encrypt or stronger.");
        parameter("smtp_tls_policy_maps", &O::policy_maps, Default{""},
                  "Tables from next hop to TLS level and attributes (match, protocols, ciphers, exclude, "
                  "servername).");
        parameter("smtp_tls_CAfile", &O::ca_file, Default{""}, "Certificates of trusted authorities.");
        parameter("smtp_tls_CApath", &O::ca_path, Default{""}, "A hashed folder of them.");
        parameter("smtp_tls_cert_file", &O::certificate_file, Default{""}, "Our certificate as a client.");
        parameter("smtp_tls_key_file", &O::key_file, Default{"$smtp_tls_cert_file"}, "Its private key.");
        parameter("smtp_tls_eccert_file", &O::ec_certificate_file, Default{""},
                  "An ECDSA certificate beside the one of smtp_tls_cert_file.");
        parameter("smtp_tls_eckey_file", &O::ec_key_file, Default{"$smtp_tls_eccert_file"},
                  "Its private key.");
        parameter("smtp_tls_dcert_file", &O::dsa_certificate_file, Default{""},
                  "The same of a DSA key, which hardly any server takes.");
        parameter("smtp_tls_dkey_file", &O::dsa_key_file, Default{"$smtp_tls_dcert_file"},
                  "Its private key.");
        parameter("smtp_tls_chain_files", &O::chain_files, Default{""},
                  "Files that hold private keys, each followed by its certificate chain, in place of the six "
                  "parameters above: our certificates as a client, RSA and ECDSA side by side.");
        parameter("smtp_tls_protocols", &O::protocols, Default{">=TLSv1"}, "Protocols of opportunistic TLS.");
        parameter("smtp_tls_mandatory_protocols", &O::mandatory_protocols, Default{">=TLSv1.2"},
                  "Protocols where TLS is required.");
        parameter("smtp_tls_ciphers", &O::ciphers, Default{"medium"},
                  "The cipher grade of opportunistic TLS.");
        parameter("smtp_tls_mandatory_ciphers", &O::mandatory_ciphers, Default{"medium"},
                  "The cipher grade where TLS is required.");
        parameter("smtp_tls_exclude_ciphers", &O::exclude_ciphers, Default{""}, "Ciphers never used.");
        parameter("smtp_tls_mandatory_exclude_ciphers", &O::mandatory_exclude_ciphers, Default{""},
                  "Ciphers not used where TLS is required.");
        parameter("smtp_tls_servername", &O::server_name, Default{""},
                  "The name sent as SNI: hostname, nexthop or a name; empty: the host's.");
        parameter("smtp_tls_verify_cert_match", &O::verify_match, Default{"hostname"},
                  "What a certificate must name at level verify: hostname, nexthop, dot-nexthop, or names.");
        parameter("smtp_tls_secure_cert_match", &O::secure_match, Default{"nexthop, dot-nexthop"},
                  "What a certificate must name at level secure.");
        parameter("smtp_tls_fingerprint_cert_match", &O::fingerprint_match, Default{""},
                  "SHA-256 fingerprints of certificates at level fingerprint.");
        parameter("smtp_tls_loglevel", &O::tls_log_level, Between{0, 4}, "1: log each TLS handshake.");
        parameter("smtp_tls_session_cache_database", &O::session_database, Default{""},
                  "Taken, and needs no file: sessions are kept in memory, apart for each host and policy.");
        parameter(
            "smtp_tls_session_cache_timeout", &O::session_lifetime, Between{0s, 86400s}, Default{"3600s"},
            "How long a TLS session may be resumed with the same server under the same policy; 0: never.");
        parameter("smtp_tls_connection_reuse", &O::tls_connection_reuse, Default{"no"},
                  "Taken: encrypted connections are kept for the next message as others are.");
        parameter("smtp_sasl_auth_enable", &O::sasl, Default{"no"},
                  "Log in at servers that have an entry in "
                  "smtp_sasl_password_maps.");
        parameter(
            "smtp_sasl_password_maps", &O::password_maps, Default{""},
            "Tables from host name or next hop to user:password; of a bearer token: user:file:/path, or "
            "user:command:/path and arguments, a program that prints the token, or OAuth 2's JSON of it. "
            "It runs as mail_owner, and again when the token expires or is refused.");
        parameter("smtp_sasl_token_lifetime", &O::token_lifetime, Between{1s, 8640000s}, Default{"300s"},
                  "How long a program's token is used when the program does not say until when it is good.");
        parameter("smtp_sasl_auth_soft_bounce", &O::login_soft_bounce, Default{"yes"},
                  "Wait when a server refuses the login for good; no: return the mail.");
        parameter("smtp_sender_dependent_authentication", &O::sender_dependent, Default{"no"},
                  "Look the sender up first.");
        parameter("smtp_sasl_security_options", &O::security_options, Default{"noplaintext, noanonymous"},
                  "Without TLS: noplaintext forbids PLAIN, LOGIN and tokens; they are sent in clear only "
                  "where this is "
                  "left out and smtp_tls_security_level is none.");
        parameter("smtp_sasl_tls_security_options", &O::tls_security_options, Default{"noanonymous"},
                  "The same with TLS.");
        parameter("smtp_sasl_mechanism_filter", &O::mechanism_filter, Default{""},
                  "The mechanisms that may be used; !name excludes. OAUTHBEARER and XOAUTH2 are used only "
                  "when named.");
    }
};

}  // namespace delivery
