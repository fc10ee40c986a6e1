// The SMTP server's settings under their main.cf names (defaults as Postfix's). Immutable once a service
// runs.
#pragma once

#include "base/parameter.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace smtp {

enum class BareNewline { No, Normalize, Reject, Note };
constexpr auto enum_words(BareNewline) {
    return std::array<std::pair<std::string_view, BareNewline>, 6>{{{"normalize", BareNewline::Normalize},
                                                                    {"yes", BareNewline::Normalize},
                                                                    {"reject", BareNewline::Reject},
                                                                    {"note", BareNewline::Note},
                                                                    {"no", BareNewline::No},
                                                                    {"", BareNewline::Normalize}}};
}

enum class UpstreamProxy { None, Haproxy };
constexpr auto enum_words(UpstreamProxy) {
    return std::array<std::pair<std::string_view, UpstreamProxy>, 2>{
        {{"", UpstreamProxy::None}, {"haproxy", UpstreamProxy::Haproxy}}};
}

struct ServerOptions {
    std::string host_name;
    std::string banner;
    std::chrono::seconds timeout{300};
    std::chrono::seconds data_timeout{300};
    std::chrono::seconds starttls_timeout{300};
    std::uint64_t message_size_limit = 10240000;
    std::uint32_t recipient_limit = 1000;
    std::uint32_t recipient_overshoot_limit = 1000;
    std::uint32_t soft_error_limit = 10;
    std::uint32_t hard_error_limit = 20;
    std::uint32_t junk_command_limit = 100;
    std::chrono::seconds error_sleep_time{1};
    std::uint32_t line_length_limit = 2048;
    std::uint32_t auth_response_limit = 12288;
    std::uint32_t hop_count_limit = 50;
    bool helo_required = false;
    bool disable_vrfy = false;
    bool strict_envelopes = false;
    bool smtputf8 = true;
    bool soft_bounce = false;
    BareNewline bare_newline = BareNewline::Normalize;
    std::vector<std::string> bare_newline_exclusions;
    std::uint32_t bare_newline_reject_code = 550;
    bool forbid_unauth_pipelining = true;
    std::vector<std::string> forbidden_commands;
    std::vector<std::string> noop_commands;
    std::vector<std::string> xclient_hosts, xforward_hosts;
    UpstreamProxy upstream_proxy = UpstreamProxy::None;
    std::vector<std::string> upstream_proxy_hosts;
    std::chrono::seconds upstream_proxy_timeout{5};
    std::vector<std::string> discarded_ehlo_keywords;
    std::string discard_ehlo_maps, command_filter, reject_footer, fast_flush_domains;
    bool tls_received_header = true;
    bool authenticated_header = false, hide_client_session = false;
    std::string mail_name;

    static constexpr void describe(auto& parameter) {
        using namespace std::chrono_literals;
        using base::Between;
        using base::Default;
        using O = ServerOptions;
        parameter("myhostname", &O::host_name, Default{"$myhostname"}, "This machine's full name.");
        parameter("mail_name", &O::mail_name, Default{"Postrider"},
                  "The name of the mail system in Received: and notifications.");
        parameter("smtpd_banner", &O::banner, Default{"$myhostname ESMTP $mail_name"},
                  "The text behind the greeting's 220; it must begin with the host name.");
        parameter("smtpd_timeout", &O::timeout, Between{1s, 86400s}, Default{"300s"},
                  "How long the server waits for a command, or for a reply to be taken (RFC 5321 section "
                  "4.5.3.2.7).");
        parameter("smtpd_starttls_timeout", &O::starttls_timeout, Between{1s, 3600s}, Default{"300s"},
                  "How long a TLS handshake may take as a whole.");
        parameter("message_size_limit", &O::message_size_limit, Between{0, 2147483648},
                  "The largest message in octets; 0: no limit.");
        parameter("smtpd_recipient_limit", &O::recipient_limit, Between{1, 1000000},
                  "The most recipients of one message (RFC 5321 section 4.5.3.1.8).");
        parameter("smtpd_recipient_overshoot_limit", &O::recipient_overshoot_limit, Between{1, 1000000},
                  "How many recipients over the limit are refused politely before they count as errors.");
        parameter("smtpd_soft_error_limit", &O::soft_error_limit, Between{1, 1000000},
                  "After so many errors each further one is answered late.");
        parameter("smtpd_hard_error_limit", &O::hard_error_limit, Between{1, 1000000},
                  "After so many errors the connection is closed.");
        parameter("smtpd_junk_command_limit", &O::junk_command_limit, Between{1, 1000000},
                  "How many NOOP, VRFY, ETRN and RSET a client may send before they count as errors.");
        parameter("smtpd_error_sleep_time", &O::error_sleep_time, Between{0s, 600s},
                  "How late errors over smtpd_soft_error_limit are answered.");
        parameter("line_length_limit", &O::line_length_limit, Between{512, 65536},
                  "The longest command line in octets.");
        parameter("smtpd_sasl_response_limit", &O::auth_response_limit, Between{512, 65536}, Default{"12288"},
                  "The longest line of a login in octets (RFC 4954 section 4).");
        parameter("hopcount_limit", &O::hop_count_limit, Between{1, 1000},
                  "A message with more Received: fields is refused as a loop (RFC 5321 section 6.3).");
        parameter("smtpd_helo_required", &O::helo_required, "Require HELO or EHLO before MAIL.");
        parameter("disable_vrfy_command", &O::disable_vrfy, "Refuse VRFY.");
        parameter("fast_flush_domains", &O::fast_flush_domains, Default{"$relay_domains"},
                  "The domains whose mail ETRN may have sent at once (RFC 1985); empty: none.");
        parameter("strict_rfc821_envelopes", &O::strict_envelopes,
                  "Take only addresses in <> and in the RFC's syntax.");
        parameter("smtputf8_enable", &O::smtputf8,
                  Default{"${{$compatibility_level} <level {1} ? {no} : {yes}}"},
                  "Offer SMTPUTF8 (RFC 6531).");
        parameter("soft_bounce", &O::soft_bounce,
                  "Answer 4xx where 5xx is meant: a net under a new configuration.");
        parameter("smtpd_forbid_bare_newline", &O::bare_newline, Default{"normalize"},
                  "What a line that ends in LF alone means: normalize (take it, but never as the end of a "
                  "message), reject, no.");
        parameter("smtpd_forbid_bare_newline_exclusions", &O::bare_newline_exclusions, Default{"$mynetworks"},
                  "Clients that smtpd_forbid_bare_newline does not concern.");
        parameter("smtpd_forbid_bare_newline_reject_code", &O::bare_newline_reject_code, Between{400, 599},
                  "The reply code of smtpd_forbid_bare_newline = reject.");
        parameter("smtpd_forbid_unauth_pipelining", &O::forbid_unauth_pipelining, Default{"yes"},
                  "Close the connection when a client sends on where it must wait for a reply.");
        parameter("smtpd_forbidden_commands", &O::forbidden_commands,
                  Default{"CONNECT GET POST regexp:{{/^[^A-Z]/ Bogus}}"},
                  "Commands that end the session: no mail client sends them.");
        parameter("smtpd_noop_commands", &O::noop_commands,
                  "Commands that are answered with 250 and do nothing.");
        parameter("smtpd_authorized_xclient_hosts", &O::xclient_hosts,
                  "Clients that may say with XCLIENT for whom they speak.");
        parameter("smtpd_authorized_xforward_hosts", &O::xforward_hosts,
                  "Clients that may say with XFORWARD where a message came from; it decides nothing.");
        parameter("smtpd_upstream_proxy_protocol", &O::upstream_proxy, Default{""},
                  "haproxy: each connection begins with the PROXY protocol, version 1 or 2.");
        parameter("smtpd_upstream_proxy_hosts", &O::upstream_proxy_hosts, Default{"0.0.0.0/0 [::]/0"},
                  "The load balancers whose PROXY header is believed; others are turned away from a service "
                  "with smtpd_upstream_proxy_protocol.");
        parameter("smtpd_upstream_proxy_timeout", &O::upstream_proxy_timeout, Between{1s, 3600s},
                  Default{"5s"}, "How long to wait for the PROXY header.");
        parameter("smtpd_discard_ehlo_keywords", &O::discarded_ehlo_keywords,
                  "EHLO keywords that are not offered.");
        parameter("smtpd_discard_ehlo_keyword_address_maps", &O::discard_ehlo_maps, Default{""},
                  "Tables from client address to the EHLO keywords that are not offered to it, instead of "
                  "smtpd_discard_ehlo_keywords.");
        parameter("smtpd_command_filter", &O::command_filter, Default{""},
                  "Tables that change the commands of clients that do it wrong.");
        parameter("smtpd_reject_footer", &O::reject_footer, base::Raw{}, Default{""},
                  "A text behind every 4xx and 5xx reply, such as whom to call; with $client_address, "
                  "$helo_name, $localtime, $sender, $server_name and their like; \\n: a new line; "
                  "\\c in front: on the same line.");
        parameter("smtpd_tls_received_header", &O::tls_received_header, Default{"yes"},
                  "Note the TLS protocol and cipher in Received:.");
        parameter("smtpd_sasl_authenticated_header", &O::authenticated_header,
                  "Note the login name in Received:.");
        parameter("smtpd_hide_client_session", &O::hide_client_session, Default{"no"},
                  "Say in Received: nothing of the client: no name, address, TLS details or login name. For "
                  "submission services; the log still has it all.");
    }
};

}  // namespace smtp
