// Routing's settings under their main.cf names (defaults as Postfix's).
#pragma once

#include "base/parameter.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace routing {

struct RoutingOptions {
    std::string my_host_name, my_domain, my_origin;
    std::string my_destination, inet_interfaces, proxy_interfaces;
    std::string virtual_alias_domains, virtual_alias_maps, virtual_mailbox_domains, virtual_mailbox_maps;
    std::string relay_domains, relay_recipient_maps, local_recipient_maps, alias_maps;
    std::string canonical_maps, sender_canonical_maps, recipient_canonical_maps;
    std::vector<std::string> canonical_classes, sender_canonical_classes, recipient_canonical_classes;
    std::vector<std::string> masquerade_domains, masquerade_classes, masquerade_exceptions;
    std::vector<std::string> propagated_extensions;
    std::string recipient_delimiter, transport_maps, relocated_maps;
    std::string local_transport, virtual_transport, relay_transport, default_transport, relay_host;
    std::string sender_dependent_relay_host_maps, sender_dependent_default_transport_maps, null_sender_key,
        null_sender_transport_key, double_bounce_sender, always_bcc, recipient_bcc_maps, sender_bcc_maps,
        luser_relay;
    std::uint32_t virtual_alias_expansion_limit = 1000, virtual_alias_recursion_limit = 1000;
    std::uint32_t unknown_local_code = 550, unknown_virtual_alias_code = 550,
                  unknown_virtual_mailbox_code = 550, unknown_relay_code = 550;
    bool append_at_my_origin = true, append_dot_my_domain = false, allow_percent_hack = true,
         swap_bangpath = true;
    bool show_table_name = true, allow_untrusted_routing = false;
    std::string srs_domain, srs_exclude_domains, srs_separator;
    std::vector<std::string> srs_secret_files;
    std::uint32_t srs_hash_length = 4, srs_hash_minimum = 4;
    std::chrono::seconds srs_maximum_age{1814400};

    static constexpr void describe(auto& parameter) {
        using namespace std::chrono_literals;
        using O = RoutingOptions;
        using base::Between;
        using base::Default;
        parameter("myhostname", &O::my_host_name, Default{"$myhostname"}, "This machine's full name.");
        parameter("mydomain", &O::my_domain, Default{"$mydomain"}, "This machine's domain.");
        parameter("myorigin", &O::my_origin, Default{"$myhostname"},
                  "The domain of addresses given without one; a file name means the file's first line.");
        parameter("mydestination", &O::my_destination, Default{"$myhostname, localhost.$mydomain, localhost"},
                  "Domains whose recipients are users of this machine.");
        parameter("inet_interfaces", &O::inet_interfaces, Default{"all"},
                  "The addresses to listen on: all, loopback-only, or a list.");
        parameter("proxy_interfaces", &O::proxy_interfaces, Default{""},
                  "Addresses that are ours behind a translator or proxy.");
        parameter("virtual_alias_domains", &O::virtual_alias_domains, Default{"$virtual_alias_maps"},
                  "Domains all of whose addresses are aliases.");
        parameter("virtual_alias_maps", &O::virtual_alias_maps, Default{"$virtual_maps"},
                  "Tables that replace recipient addresses by others, of any domain.");
        parameter("virtual_mailbox_domains", &O::virtual_mailbox_domains, Default{"$virtual_mailbox_maps"},
                  "Domains whose recipients have mailboxes that are not Unix users'.");
        parameter("virtual_mailbox_maps", &O::virtual_mailbox_maps, Default{""},
                  "Tables of the mailboxes in virtual_mailbox_domains.");
        parameter("relay_domains", &O::relay_domains,
                  Default{"${{$compatibility_level} <level {2} ? {$mydestination} : {}}"},
                  "Domains that mail is taken for and sent on to.");
        parameter("relay_recipient_maps", &O::relay_recipient_maps, Default{""},
                  "Tables of the valid recipients in relay_domains; empty: all.");
        parameter("local_recipient_maps", &O::local_recipient_maps,
                  Default{"proxy:unix:passwd.byname $alias_maps"},
                  "Tables of the valid recipients in mydestination; empty: all.");
        parameter("alias_maps", &O::alias_maps, Default{"hash:/etc/aliases"},
                  "Alias tables of local(8), in aliases(5) form.");
        parameter("canonical_maps", &O::canonical_maps, Default{""},
                  "Tables that rewrite sender and recipient addresses.");
        parameter("sender_canonical_maps", &O::sender_canonical_maps, Default{""},
                  "Tables that rewrite sender addresses.");
        parameter("recipient_canonical_maps", &O::recipient_canonical_maps, Default{""},
                  "Tables that rewrite recipient addresses.");
        parameter("canonical_classes", &O::canonical_classes,
                  Default{"envelope_sender, envelope_recipient, header_sender, header_recipient"},
                  "Which addresses canonical_maps rewrites.");
        parameter("sender_canonical_classes", &O::sender_canonical_classes,
                  Default{"envelope_sender, header_sender"},
                  "Which addresses sender_canonical_maps rewrites.");
        parameter("recipient_canonical_classes", &O::recipient_canonical_classes,
                  Default{"envelope_recipient, header_recipient"},
                  "Which addresses recipient_canonical_maps rewrites.");
        parameter(
            "masquerade_domains", &O::masquerade_domains, Default{""},
            "Domains whose hosts are hidden: user@host.example.com becomes user@example.com; !host is left "
            "as it is.");
        parameter("masquerade_classes", &O::masquerade_classes,
                  Default{"envelope_sender, header_sender, header_recipient"},
                  "Which addresses masquerade_domains changes.");
        parameter("masquerade_exceptions", &O::masquerade_exceptions, Default{""},
                  "Users, such as root, whose host is not hidden.");
        parameter("propagate_unmatched_extensions", &O::propagated_extensions, Default{"canonical, virtual"},
                  "Tables whose results keep the recipient's +extension when only the address without it was "
                  "found.");
        parameter("recipient_delimiter", &O::recipient_delimiter, Default{""},
                  "What separates user and extension (user+ext).");
        parameter("transport_maps", &O::transport_maps, Default{""},
                  "Tables from address or domain to transport:nexthop.");
        parameter("relocated_maps", &O::relocated_maps, Default{""}, "Tables of addresses that have moved.");
        parameter("local_transport", &O::local_transport, Default{"local:$myhostname"},
                  "The transport for mydestination.");
        parameter("virtual_transport", &O::virtual_transport, Default{"virtual"},
                  "The transport for virtual_mailbox_domains.");
        parameter("relay_transport", &O::relay_transport, Default{"relay"},
                  "The transport for relay_domains.");
        parameter("default_transport", &O::default_transport, Default{"smtp"},
                  "The transport for all other domains.");
        parameter("relayhost", &O::relay_host, Default{""},
                  "Where mail for other domains is sent: [host]:port, or empty for the DNS.");
        parameter("sender_dependent_relayhost_maps", &O::sender_dependent_relay_host_maps, Default{""},
                  "Tables from sender address or @domain to relayhost; DUNNO: no change.");
        parameter("empty_address_relayhost_maps_lookup_key", &O::null_sender_key, Default{"<>"},
                  "What the null sender is looked up as in sender_dependent_relayhost_maps.");
        parameter("sender_dependent_default_transport_maps", &O::sender_dependent_default_transport_maps,
                  Default{""},
                  "Tables from sender address or @domain to a transport:nexthop that takes the place of "
                  "default_transport; DUNNO: no change.");
        parameter("empty_address_default_transport_maps_lookup_key", &O::null_sender_transport_key,
                  Default{"<>"},
                  "What the null sender is looked up as in sender_dependent_default_transport_maps.");
        parameter(
            "double_bounce_sender", &O::double_bounce_sender, Default{"double-bounce"},
            "The sender of the postmaster's copies; mail to it is discarded, so that nothing goes round.");
        parameter("always_bcc", &O::always_bcc, Default{""}, "An address that gets a copy of every message.");
        parameter("recipient_bcc_maps", &O::recipient_bcc_maps, Default{""},
                  "Tables from recipient to an address that gets a copy.");
        parameter("sender_bcc_maps", &O::sender_bcc_maps, Default{""},
                  "Tables from sender to an address that gets a copy.");
        parameter("luser_relay", &O::luser_relay, Default{""},
                  "Where mail for unknown local users goes; empty: it is refused.");
        parameter("virtual_alias_expansion_limit", &O::virtual_alias_expansion_limit, Between{1, 1000000},
                  "How many addresses one may become through virtual_alias_maps.");
        parameter("virtual_alias_recursion_limit", &O::virtual_alias_recursion_limit, Between{1, 100000},
                  "How deep virtual_alias_maps may nest.");
        parameter("unknown_local_recipient_reject_code", &O::unknown_local_code, Between{400, 599},
                  "The reply code for an unknown local recipient.");
        parameter("unknown_virtual_alias_reject_code", &O::unknown_virtual_alias_code, Between{400, 599},
                  "The reply code for an unknown recipient in virtual_alias_domains.");
        parameter("unknown_virtual_mailbox_reject_code", &O::unknown_virtual_mailbox_code, Between{400, 599},
                  "The reply code for an unknown recipient in virtual_mailbox_domains.");
        parameter("unknown_relay_recipient_reject_code", &O::unknown_relay_code, Between{400, 599},
                  "The reply code for an unknown recipient in relay_domains.");
        parameter("append_at_myorigin", &O::append_at_my_origin, Default{"yes"},
                  "Complete addresses without a domain by @$myorigin.");
        parameter("append_dot_mydomain", &O::append_dot_my_domain,
                  Default{"${{$compatibility_level} < {1} ? {yes} : {no}}"},
                  "Complete domains without a dot by .$mydomain.");
        parameter("allow_percent_hack", &O::allow_percent_hack, Default{"yes"},
                  "Read user%domain, and user%domain@ours, as user@domain; whether the client may send there "
                  "is asked of that address.");
        parameter("swap_bangpath", &O::swap_bangpath, Default{"yes"},
                  "Read domain!user, and domain!user@ours, as user@domain; whether the client may send there "
                  "is asked of that address.");
        parameter("show_user_unknown_table_name", &O::show_table_name, Default{"yes"},
                  "Name the table in which a recipient was not found.");
        parameter("allow_untrusted_routing", &O::allow_untrusted_routing, Default{"no"},
                  "Take user@elsewhere@ours and its like from strangers.");
        parameter(
            "srs_domain", &O::srs_domain, Default{""},
            "The domain of the senders that forwarded mail gets (SRS), so that it passes SPF at the next "
            "server; its MX must lead here. Empty: senders stay as they are, and so does one that would get "
            "more than 64 octets in front of its @.");
        parameter("srs_secret_files", &O::srs_secret_files, Default{""},
                  "Files with the secrets of rewritten senders, one a line: the first signs, all verify. "
                  "postsrsd's file can be taken over.");
        parameter("srs_exclude_domains", &O::srs_exclude_domains, Default{""},
                  "Senders' domains that are not rewritten; .example.com stands for those below it.");
        parameter("srs_separator", &O::srs_separator, Default{"="},
                  "What stands behind SRS0 and SRS1: =, + or -. All are understood.");
        parameter("srs_hash_length", &O::srs_hash_length, Between{4, 20},
                  "How many characters of the hash are written into a rewritten sender.");
        parameter("srs_hash_minimum", &O::srs_hash_minimum, Between{4, 20},
                  "The fewest characters of the hash that are accepted.");
        parameter("srs_maximum_age", &O::srs_maximum_age, Between{86400s, 31536000s}, Default{"21d"},
                  "How long mail to a rewritten sender is taken, in whole days.");
    }
};

}  // namespace routing
