// Who sent it, under main.cf names: what is verified on the way in, what is signed on the way out.
#pragma once

#include "base/parameter.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace policy {

enum class SenderCheck { No, Mark, Enforce };
constexpr auto enum_words(SenderCheck) {
    return std::array<std::pair<std::string_view, SenderCheck>, 3>{
        {{"no", SenderCheck::No}, {"mark", SenderCheck::Mark}, {"enforce", SenderCheck::Enforce}}};
}

enum class QuarantineAction { Header, Junk, Hold };
constexpr auto enum_words(QuarantineAction) {
    return std::array<std::pair<std::string_view, QuarantineAction>, 3>{{{"header", QuarantineAction::Header},
                                                                         {"junk", QuarantineAction::Junk},
                                                                         {"hold", QuarantineAction::Hold}}};
}

struct SenderOptions {
    SenderCheck check = SenderCheck::No;
    std::string authserv_id;
    QuarantineAction quarantine = QuarantineAction::Header;
    std::vector<std::string> trusted_sealers, exempt_networks, sign_networks, seal_networks, signing_keys;
    std::string signing_table, key_table, canonicalization, key_directory, arc_seal_key, policy_overrides;
    std::chrono::seconds time_limit{30};
    std::uint32_t header_size_limit = 102400, dkim_bits_min = 1024, signatures_max = 10, queries_max = 300,
                  line_octets_max = 998;
    bool partial_body = false, reporting = false, multiple_signatures = false, arc_seal = false,
         received_spf = false;

    static constexpr void describe(auto& parameter) {
        using O = SenderOptions;
        using namespace std::chrono_literals;
        using base::Between;
        using base::Default;
        parameter("sender_authentication", &O::check, Default{"no"},
                  "SPF, DKIM, ARC and DMARC of what comes in: no, mark (write Authentication-Results), "
                  "enforce (and do "
                  "what the author's DMARC policy asks).");
        parameter("smtp_line_length_limit", &O::line_octets_max, Between{0, 1000000000}, "");
        parameter("authserv_id", &O::authserv_id, Default{"$myhostname"},
                  "Our name in Authentication-Results; foreign fields with it are removed (RFC 8601).");
        parameter("sender_authentication_exempt_networks", &O::exempt_networks, Default{"$mynetworks"},
                  "Clients whose mail is not verified; neither is that of clients who logged in.");
        parameter(
            "sender_authentication_time_limit", &O::time_limit, Between{1s, 3600s}, Default{"30s"},
            "How long the DNS questions about one message may take; what is not known then is a temperror. "
            "The author's DMARC policy has as much time again, so that no stranger's slow names hide it.");
        parameter("sender_authentication_query_limit", &O::queries_max, Between{10, 10000},
                  "The most DNS questions about one message, beside those about its author's DMARC policy.");
        parameter("received_spf_header", &O::received_spf, Default{"no"},
                  "Write Received-SPF (RFC 7208 section 9.1) beside Authentication-Results.");
        parameter("dmarc_policy_overrides", &O::policy_overrides, Default{""},
                  "Tables from a client's address or name, or an author's domain, to what is done when DMARC "
                  "fails: none, quarantine or reject, then a reason; published: the published policy.");
        parameter(
            "dmarc_quarantine_action", &O::quarantine, Default{"header"},
            "What a DMARC policy of quarantine does: header (X-Spam-Flag: YES, for Sieve and mail "
            "readers), junk (also into dmarc_junk_folder of Maildirs, and dmarc_junk_lmtp_detail) or hold "
            "(the message waits in the queue for the postmaster).");
        parameter(
            "dmarc_reporting", &O::reporting, Default{"no"},
            "Send aggregate reports (RFC 9990) to the authors' domains that ask for them in their DMARC "
            "record; needs sender_authentication.");
        parameter("arc_trusted_sealers", &O::trusted_sealers, Default{""},
                  "Domains that may vouch by ARC for mail whose DMARC fails, such as mailing lists.");
        parameter(
            "arc_seal", &O::arc_seal, Default{"no"},
            "Add our ARC set (RFC 8617) to what strangers sent and an alias, a .forward file or a virtual "
            "alias sends on; needs sender_authentication.");
        parameter("arc_seal_key", &O::arc_seal_key, Default{""},
                  "domain:selector:/path/to/key.pem to seal with; empty: the RSA key of $mydomain in "
                  "dkim_signing_keys.");
        parameter(
            "arc_seal_networks", &O::seal_networks, Default{""},
            "Clients, such as a list manager on this machine, whose mail is forwarded too and that keep our "
            "Authentication-Results: what they send on is sealed unless we sign for its author.");
        parameter("dkim_minimum_key_bits", &O::dkim_bits_min, Between{512, 8192},
                  "RSA keys with fewer bits verify nothing (RFC 8301).");
        parameter(
            "dkim_signature_limit", &O::signatures_max, Between{1, 100},
            "The most signatures of one message that are verified: those of the author's domain and its "
            "relatives first, then the uppermost.");
        parameter(
            "dkim_accept_partial_body", &O::partial_body, Default{"no"},
            "Let a signature with l= pass that leaves part of the body unsigned (RFC 6376 section 8.2).");
        parameter("dkim_signing_keys", &O::signing_keys, Default{""},
                  "domain:selector:/path/to/key.pem for each domain whose mail is signed; two keys of one "
                  "domain sign "
                  "together.");
        parameter(
            "dkim_signing_table", &O::signing_table, Default{""},
            "OpenDKIM's SigningTable: refile:/path (patterns with *, the first that matches), a path or "
            "file:/path (the address, its domain, and so on upwards), or csl:pattern=name,...");
        parameter("dkim_key_table", &O::key_table, Default{""},
                  "OpenDKIM's KeyTable: a file of \"name domain:selector:/path\" lines; a domain of % is "
                  "that of the author, and so is a % in the path.");
        parameter("dkim_multiple_signatures", &O::multiple_signatures, Default{"no"},
                  "Sign with the keys of every line of dkim_signing_table that matches, not of the first "
                  "(OpenDKIM's MultipleSignatures).");
        parameter("dkim_key_directory", &O::key_directory, Default{"$data_directory/dkim"},
                  "Where postrider dkim rotate keeps keys and what it knows of them; what stands there signs "
                  "for its domains in place of dkim_signing_keys and the tables.");
        parameter("dkim_canonicalization", &O::canonicalization, Default{"relaxed/simple"},
                  "How what we sign is made canonical: simple or relaxed, header/body.");
        parameter("dkim_sign_networks", &O::sign_networks, Default{"$mynetworks"},
                  "Clients whose mail is signed, beside those who logged in and sendmail's.");
        parameter(
            "header_size_limit", &O::header_size_limit, Between{1024, 100000000},
            "Headers above this many octets are not signed; where senders are verified they are refused.");
    }
};

}  // namespace policy
