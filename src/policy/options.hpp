// The restriction lists and their codes under their main.cf names (defaults as Postfix's).
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

/// What is done when an author of a submitted message is not the login's (smtpd_from_login_mismatch_action).
enum class AuthorCheck { None, Warn, Reject };
constexpr auto enum_words(AuthorCheck) {
    return std::array<std::pair<std::string_view, AuthorCheck>, 3>{
        {{"none", AuthorCheck::None}, {"warn", AuthorCheck::Warn}, {"reject", AuthorCheck::Reject}}};
}

struct PolicyOptions {
    std::string client, helo, sender, relay, recipient, data, end_of_data, etrn;
    std::vector<std::string> restriction_classes;
    std::string my_networks, sender_login_maps, recipient_delimiter, relay_client_certificates;
    bool sender_login_own_address = false;
    std::string null_access_key, queue_directory, policy_default_action, policy_context;
    std::chrono::seconds policy_timeout{100}, policy_retry_delay{1};
    std::uint32_t policy_tries = 2;
    bool delay_reject = true, reject_unlisted_recipient = true, reject_unlisted_sender = false,
         relay_before_recipient = true;
    std::uint32_t access_map_reject_code = 554, access_map_defer_code = 450, reject_code = 554,
                  defer_code = 450, relay_domains_reject_code = 554, non_fqdn_reject_code = 504,
                  invalid_hostname_reject_code = 501, multi_recipient_bounce_reject_code = 550,
                  unknown_address_reject_code = 450, unknown_client_reject_code = 450,
                  unknown_hostname_reject_code = 450, plaintext_reject_code = 450, maps_rbl_reject_code = 554;

    static constexpr void describe(auto& parameter) {
        using O = PolicyOptions;
        using namespace std::chrono_literals;
        using base::Between;
        using base::Default;
        parameter("smtpd_client_restrictions", &O::client, Default{""},
                  "What is checked when a client connects.");
        parameter("smtpd_helo_restrictions", &O::helo, Default{""}, "What is checked at HELO and EHLO.");
        parameter("smtpd_sender_restrictions", &O::sender, Default{""}, "What is checked at MAIL FROM.");
        parameter("smtpd_relay_restrictions", &O::relay,
                  Default{"permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination"},
                  "Who may relay; checked at RCPT TO before smtpd_recipient_restrictions.");
        parameter("smtpd_recipient_restrictions", &O::recipient, Default{""}, "What is checked at RCPT TO.");
        parameter("smtpd_data_restrictions", &O::data, Default{""}, "What is checked at DATA.");
        parameter("smtpd_end_of_data_restrictions", &O::end_of_data, Default{""},
                  "What is checked at the end of a message.");
        parameter("smtpd_etrn_restrictions", &O::etrn, Default{""},
                  "What is checked at ETRN, behind the client and helo lists.");
        parameter("smtpd_restriction_classes", &O::restriction_classes, Default{""},
                  "Names of restriction lists that other lists and access tables may use.");
        parameter("mynetworks", &O::my_networks, Default{"$mynetworks"},
                  "The clients that permit_mynetworks trusts.");
        parameter("smtpd_sender_login_maps", &O::sender_login_maps, Default{""},
                  "Tables from sender address to the login names that own it.");
        parameter("smtpd_sender_login_own_address", &O::sender_login_own_address, Default{"no"},
                  "A login name that is an address (or the local part of one in mydestination) owns this "
                  "address and its extensions, beside what smtpd_sender_login_maps says.");
        parameter("relay_clientcerts", &O::relay_client_certificates, Default{""},
                  "Tables whose keys are the fingerprints of client certificates, or of their public keys, "
                  "that permit_tls_clientcerts lets in; the values mean nothing.");
        parameter("recipient_delimiter", &O::recipient_delimiter, Default{""},
                  "What separates user and extension (user+ext).");
        parameter("smtpd_delay_reject", &O::delay_reject, Default{"yes"},
                  "Answer the client, helo and sender lists' refusals at RCPT TO.");
        parameter("smtpd_reject_unlisted_recipient", &O::reject_unlisted_recipient, Default{"yes"},
                  "Refuse recipients that do not exist, also when no list says so.");
        parameter("smtpd_reject_unlisted_sender", &O::reject_unlisted_sender, Default{"no"},
                  "Refuse senders in our domains that do not exist.");
        parameter("smtpd_relay_before_recipient_restrictions", &O::relay_before_recipient,
                  Default{"${{$compatibility_level} <level {3.6} ? {no} : {yes}}"},
                  "Check smtpd_relay_restrictions before smtpd_recipient_restrictions.");
        parameter("smtpd_null_access_lookup_key", &O::null_access_key, Default{"<>"},
                  "What check_sender_access looks up for the null sender.");
        parameter("queue_directory", &O::queue_directory, Default{"/var/spool/postfix"},
                  "The folder of the queue and of relative socket names.");
        parameter("smtpd_policy_service_timeout", &O::policy_timeout, Between{1s, 3600s}, Default{"100s"},
                  "How long check_policy_service waits for the policy server.");
        parameter("smtpd_policy_service_try_limit", &O::policy_tries, Between{1, 100},
                  "How often check_policy_service asks a policy server that fails.");
        parameter("smtpd_policy_service_retry_delay", &O::policy_retry_delay, Between{0s, 3600s},
                  Default{"1s"}, "The wait before check_policy_service asks again.");
        parameter("smtpd_policy_service_default_action", &O::policy_default_action,
                  Default{"451 4.3.5 Server configuration problem"},
                  "What counts when a policy server gives no answer.");
        parameter("smtpd_policy_service_policy_context", &O::policy_context, Default{""},
                  "policy_context= in the questions to policy servers.");
        parameter("access_map_reject_code", &O::access_map_reject_code, Between{400, 599},
                  "The reply code of REJECT in access tables.");
        parameter("access_map_defer_code", &O::access_map_defer_code, Between{400, 499},
                  "The reply code of DEFER in access tables.");
        parameter("reject_code", &O::reject_code, Between{400, 599}, "The reply code of reject.");
        parameter("defer_code", &O::defer_code, Between{400, 499}, "The reply code of defer.");
        parameter("relay_domains_reject_code", &O::relay_domains_reject_code, Between{400, 599},
                  "The reply code of reject_unauth_destination.");
        parameter("non_fqdn_reject_code", &O::non_fqdn_reject_code, Between{400, 599},
                  "The reply code of the reject_non_fqdn_ family.");
        parameter("invalid_hostname_reject_code", &O::invalid_hostname_reject_code, Between{400, 599},
                  "The reply code of reject_invalid_helo_hostname.");
        parameter("multi_recipient_bounce_reject_code", &O::multi_recipient_bounce_reject_code,
                  Between{400, 599}, "The reply code of reject_multi_recipient_bounce.");
        parameter("unknown_address_reject_code", &O::unknown_address_reject_code, Between{400, 599},
                  "The reply code of reject_unknown_sender_domain and reject_unknown_recipient_domain.");
        parameter("unknown_client_reject_code", &O::unknown_client_reject_code, Between{400, 599},
                  "The reply code of reject_unknown_client_hostname.");
        parameter("unknown_hostname_reject_code", &O::unknown_hostname_reject_code, Between{400, 599},
                  "The reply code of reject_unknown_helo_hostname.");
        parameter("plaintext_reject_code", &O::plaintext_reject_code, Between{400, 599},
                  "The reply code of reject_plaintext_session.");
        parameter("maps_rbl_reject_code", &O::maps_rbl_reject_code, Between{400, 599},
                  "The reply code of the reject_rbl_ family.");
    }
};

}  // namespace policy
