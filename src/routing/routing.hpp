// Where addresses belong and where mail goes: Postfix's trivial-rewrite, cleanup's address work, and the
// recipient checks, over tables that were opened at load. One object belongs to one loop; immutable but for
// its tables' contents.
#pragma once

#include "base/event.hpp"
#include "env/clock.hpp"
#include "mail/envelope.hpp"
#include "routing/address_lookup.hpp"
#include "routing/directory.hpp"
#include "routing/match_list.hpp"
#include "routing/options.hpp"
#include "routing/sender_rewriting.hpp"

#include <memory>
#include <set>

namespace routing {

/// What a recipient resolves to.
struct RouteChoice {
    std::string transport;
    std::string next_hop;
    mail::Address recipient;
};
struct RouteFailure {
    mail::Status status;
    std::string text;
};

/// Where an address stands: canonical_classes and masquerade_classes choose among these.
enum class AddressRole { EnvelopeSender, EnvelopeRecipient, HeaderSender, HeaderRecipient };

class Routing : public Directory {
 public:
    struct Services {
        tables::Factory& factory;
        env::FileSystem& files;
        std::set<env::IpAddress> own_addresses;  // of this machine and proxy_interfaces
        const env::Clock& clock;
    };
    static std::expected<std::unique_ptr<Routing>, std::string> make(RoutingOptions options,
                                                                     Services services);

    env::Task<std::expected<AddressClass, LookupFailure>> classify(std::string domain) override;
    env::Task<std::expected<bool, LookupFailure>> is_authorized_destination(mail::Address recipient) override;
    env::Task<std::expected<Listing, LookupFailure>> recipient_listing(mail::Address recipient) override;
    env::Task<std::expected<Listing, LookupFailure>> sender_listing(mail::Address sender) override;

    /// An address as it stands in the message from now on: completed, canonical, its host hidden.
    env::Task<std::expected<mail::Address, std::string>> mapped(mail::Address address, AddressRole role);
    /// An address as other machines are to see it (generic(5)).
    env::Task<std::expected<mail::Address, std::string>> generic(mail::Address address,
                                                                 const tables::TableList& tables);
    /// Rewriting and expansion of a new message's envelope (canonical, virtual aliases, blind copies).
    env::Task<std::expected<mail::Envelope, std::string>> expand(mail::Envelope envelope);
    /// Transport and next hop of a recipient.
    env::Task<std::expected<RouteChoice, RouteFailure>> route(mail::ReversePath sender,
                                                              mail::Address recipient);

    /// The reverse path under which a stranger's message goes on to other machines (srs_domain): that of our
    /// own people, of excluded domains, and one that would become too long stays as it is.
    struct ForwardingSender {
        mail::ReversePath path;
        bool too_long = false;  // it would have been rewritten
    };
    env::Task<std::expected<ForwardingSender, LookupFailure>> forwarding_sender(mail::ReversePath sender);

    const RoutingOptions& options() const { return options_; }
    const tables::TableList& alias_maps() const { return alias_maps_; }
    /// The address completed: $myorigin behind a bare name, "user%domain" and "domain!user" put right.
    mail::Address rewrite(mail::Address address) const;
    /// The same; "postmaster" alone is this machine's, whatever myorigin is (RFC 5321 §4.5.1).
    env::Task<mail::Address> complete(mail::Address address);
    /// Where the address leads: while its domain is this machine's, a route in the local part is followed
    /// (user%far@ours, far!user@ours, "user@far"@ours).
    env::Task<std::expected<mail::Address, LookupFailure>> resolve(mail::Address address);

 private:
    Routing(RoutingOptions options, const env::Clock& clock) : options_(std::move(options)), clock_(&clock) {}
    mail::Address unrouted(mail::Address address) const;
    bool is_rewritten_sender(const mail::Address& address) const;
    std::expected<mail::Address, srs::Error> original_sender(const mail::Address& address) const;
    Listing rewritten_sender_listing(const mail::Address& address) const;
    bool is_own_literal(std::string_view domain) const;
    LookupForms forms(AddressClass address_class) const;
    env::Task<std::expected<Listing, LookupFailure>> listing(mail::Address address, std::string_view what);
    env::Task<std::expected<std::vector<mail::Address>, std::string>> virtual_expansion(
        mail::Address address);
    env::Task<std::expected<mail::Address, std::string>> look_up_mapped(mail::Address address,
                                                                        const tables::TableList& tables,
                                                                        std::string_view kind);
    std::string masqueraded(const mail::Address& address) const;
    env::Task<std::expected<std::optional<std::string>, LookupFailure>> by_sender(
        const tables::TableList& tables, const mail::ReversePath& sender, const std::string& null_key) const;
    env::Task<std::expected<std::optional<std::string>, tables::TableError>> transport_entry(
        mail::Address recipient);

    RoutingOptions options_;
    const env::Clock* clock_;
    std::shared_ptr<const srs::Rewriter> rewriter_;  // nullptr: senders stay as they are
    std::set<env::IpAddress> own_addresses_;
    DomainList my_destination_, virtual_alias_domains_, virtual_mailbox_domains_, relay_domains_,
        srs_exclude_domains_;
    tables::TableList virtual_alias_maps_, virtual_mailbox_maps_, relay_recipient_maps_,
        local_recipient_maps_, alias_maps_, canonical_maps_, sender_canonical_maps_,
        recipient_canonical_maps_, transport_maps_, relocated_maps_, sender_relay_host_maps_,
        sender_transport_maps_, recipient_bcc_maps_, sender_bcc_maps_;
};

/// "transport:nexthop", either part may be missing.
RouteChoice parse_transport(std::string_view text, std::string default_transport,
                            std::string default_next_hop);
/// The transports error: and retry: are a failure with their text: "error:5.1.1 no such user".
std::expected<RouteChoice, RouteFailure> settle(RouteChoice choice);
/// A comma-separated list of addresses as tables hold them; what is no address is left out.
std::vector<mail::Address> parse_address_values(std::string_view text);

}  // namespace routing
