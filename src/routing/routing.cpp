#include "routing/routing.hpp"

#include "base/result.hpp"
#include "base/text.hpp"
#include "config/values.hpp"
#include "mail/path.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <span>

namespace routing {
namespace {

LookupFailure failure(const tables::TableError& error) { return {error.text}; }

// "!#%&*… user@elsewhere" in a local part: the sender tells the route.
bool has_routing_operators(std::string_view local_part) {
    return local_part.find_first_of("@%!") != std::string_view::npos;
}

constexpr std::string_view address_class_words[] = {"envelope_sender", "envelope_recipient", "header_sender",
                                                    "header_recipient"};
constexpr std::string_view propagation_words[] = {"canonical", "virtual", "alias",
                                                  "forward",   "include", "generic"};

std::expected<void, std::string> check_words(std::string_view name, const std::vector<std::string>& words,
                                             std::span<const std::string_view> known) {
    for (const auto& word : words)
        if (std::ranges::find(known, word) == known.end())
            return std::unexpected(fmt::format("{}: '{}' is none of {}", name, base::printable(word, 60),
                                               fmt::join(known, ", ")));
    return {};
}

}  // namespace

RouteChoice parse_transport(std::string_view text, std::string default_transport,
                            std::string default_next_hop) {
    RouteChoice out{std::move(default_transport), std::move(default_next_hop), {}};
    const auto colon = text.find(':');
    const std::string_view name = text.substr(0, colon);
    if (!name.empty()) out.transport = name;
    if (colon != std::string_view::npos && colon + 1 < text.size()) out.next_hop = text.substr(colon + 1);
    return out;
}

std::expected<RouteChoice, RouteFailure> settle(RouteChoice choice) {
    const bool error = choice.transport == "error";
    if (!error && choice.transport != "retry") return choice;
    const auto status = mail::Status::parse_prefix(choice.next_hop);
    std::string text = choice.next_hop;
    if (status) text = base::trim(std::string_view(text).substr(status->text().size()));
    const mail::Status fallback = error ? mail::Status{5, 0, 0} : mail::Status{4, 0, 0};
    return std::unexpected(
        RouteFailure{status.value_or(fallback), text.empty() ? "mail to this address is disabled" : text});
}

std::vector<mail::Address> parse_address_values(std::string_view text) {
    std::vector<mail::Address> out;
    const mail::PathOptions tolerant{mail::PathOptions::Utf8::Allow, mail::PathOptions::Form::Tolerant};
    for (const auto& word : config::split_list(text))
        if (auto address = mail::parse_mailbox(word, tolerant)) out.push_back(std::move(*address));
    return out;
}

std::expected<std::unique_ptr<Routing>, std::string> Routing::make(RoutingOptions options,
                                                                   Services services) {
    std::unique_ptr<Routing> out(new Routing(std::move(options), services.clock));
    const RoutingOptions& o = out->options_;
    out->own_addresses_ = std::move(services.own_addresses);
    const auto list = [&](std::string_view name, const std::string& text, Subdomains subdomains,
                          DomainList& to) -> std::expected<void, std::string> {
        auto made = DomainList::make(text, services.factory, services.files, subdomains);
        if (!made) return std::unexpected(fmt::format("{}: {}", name, made.error()));
        to = std::move(*made);
        return {};
    };
    const auto map = [&](std::string_view name, const std::string& text, tables::TableList& to,
                         tables::SourceFormat format =
                             tables::SourceFormat::Map) -> std::expected<void, std::string> {
        auto made = services.factory.open_list(text, format);
        if (!made) return std::unexpected(fmt::format("{}: {}", name, made.error().text));
        to = std::move(*made);
        return {};
    };
    TRY(map("virtual_alias_maps", o.virtual_alias_maps, out->virtual_alias_maps_));
    TRY(map("virtual_mailbox_maps", o.virtual_mailbox_maps, out->virtual_mailbox_maps_));
    TRY(map("relay_recipient_maps", o.relay_recipient_maps, out->relay_recipient_maps_));
    TRY(map("alias_maps", o.alias_maps, out->alias_maps_, tables::SourceFormat::Alias));
    // Its default names $alias_maps, whose files read as aliases(5).
    std::vector<std::shared_ptr<tables::Table>> local;
    const auto alias_specs = config::split_list(o.alias_maps);
    for (const auto& spec : config::split_list(o.local_recipient_maps)) {
        const bool alias = std::ranges::find(alias_specs, spec) != alias_specs.end();
        auto table =
            services.factory.open(spec, alias ? tables::SourceFormat::Alias : tables::SourceFormat::Map);
        if (!table) return std::unexpected("local_recipient_maps: " + table.error().text);
        local.push_back(std::move(*table));
    }
    out->local_recipient_maps_ = tables::TableList(std::move(local));
    TRY(map("canonical_maps", o.canonical_maps, out->canonical_maps_));
    TRY(map("sender_canonical_maps", o.sender_canonical_maps, out->sender_canonical_maps_));
    TRY(map("recipient_canonical_maps", o.recipient_canonical_maps, out->recipient_canonical_maps_));
    TRY(check_words("canonical_classes", o.canonical_classes, address_class_words));
    TRY(check_words("sender_canonical_classes", o.sender_canonical_classes, address_class_words));
    TRY(check_words("recipient_canonical_classes", o.recipient_canonical_classes, address_class_words));
    TRY(check_words("masquerade_classes", o.masquerade_classes, address_class_words));
    TRY(check_words("propagate_unmatched_extensions", o.propagated_extensions, propagation_words));
    TRY(map("transport_maps", o.transport_maps, out->transport_maps_));
    TRY(map("relocated_maps", o.relocated_maps, out->relocated_maps_));
    TRY(map("sender_dependent_relayhost_maps", o.sender_dependent_relay_host_maps,
            out->sender_relay_host_maps_));
    TRY(map("sender_dependent_default_transport_maps", o.sender_dependent_default_transport_maps,
            out->sender_transport_maps_));
    TRY(map("recipient_bcc_maps", o.recipient_bcc_maps, out->recipient_bcc_maps_));
    TRY(map("sender_bcc_maps", o.sender_bcc_maps, out->sender_bcc_maps_));
    TRY(list("mydestination", o.my_destination, Subdomains::Exact, out->my_destination_));
    TRY(list("virtual_alias_domains", o.virtual_alias_domains, Subdomains::Exact,
             out->virtual_alias_domains_));
    TRY(list("virtual_mailbox_domains", o.virtual_mailbox_domains, Subdomains::Exact,
             out->virtual_mailbox_domains_));
    TRY(list("relay_domains", o.relay_domains, Subdomains::Parents, out->relay_domains_));
    TRY(list("srs_exclude_domains", o.srs_exclude_domains, Subdomains::Exact, out->srs_exclude_domains_));
    TRY_ASSIGN(out->rewriter_, make_rewriter(o, services.files));
    return out;
}

bool Routing::is_own_literal(std::string_view domain) const {
    if (domain.size() < 3 || domain.front() != '[' || domain.back() != ']') return false;
    std::string_view inner = domain.substr(1, domain.size() - 2);
    if (base::istarts_with(inner, "IPv6:")) inner = inner.substr(5);
    const auto address = env::IpAddress::parse(inner);
    return address && (address->is_loopback() || own_addresses_.contains(*address));
}

mail::Address Routing::rewrite(mail::Address address) const {
    if (address.domain.empty()) address = unrouted(std::move(address));
    if (address.domain.empty() && options_.append_at_my_origin) address.domain = options_.my_origin;
    if (options_.append_dot_my_domain && !address.domain.empty() &&
        address.domain.find('.') == std::string::npos && !address.is_literal())
        address.domain += "." + options_.my_domain;
    return address;
}

/// What a local part without a domain says of its own: "domain!user" (first), then "user%domain".
mail::Address Routing::unrouted(mail::Address address) const {
    const auto bang = address.local_part.find('!');
    if (options_.swap_bangpath && bang != std::string::npos && bang > 0 &&
        bang + 1 < address.local_part.size()) {
        address.domain = address.local_part.substr(0, bang);
        address.local_part.erase(0, bang + 1);
        return address;
    }
    const auto percent = address.local_part.rfind('%');
    if (options_.allow_percent_hack && percent != std::string::npos && percent > 0 &&
        percent + 1 < address.local_part.size()) {
        address.domain = address.local_part.substr(percent + 1);
        address.local_part.erase(percent);
    }
    return address;
}

env::Task<std::expected<mail::Address, LookupFailure>> Routing::resolve(mail::Address address) {
    constexpr int hops_max = 100;  // a route in a local part of 64 octets has fewer
    address = rewrite(std::move(address));
    for (int hop = 0; hop < hops_max && has_routing_operators(address.local_part); ++hop) {
        auto meaning = co_await classify(address.domain);
        if (!meaning) co_return std::unexpected(meaning.error());
        if (*meaning != AddressClass::Local) break;
        // Ours on the outside: what is inside says where it goes.
        mail::Address inner;
        inner.local_part = address.local_part;
        const auto at = inner.local_part.rfind('@');
        if (at != std::string::npos && at > 0 && at + 1 < inner.local_part.size()) {
            inner.domain = inner.local_part.substr(at + 1);
            inner.local_part.erase(at);
        } else {
            inner = unrouted(std::move(inner));
        }
        if (inner.domain.empty()) break;
        address = rewrite(std::move(inner));
    }
    co_return address;
}

env::Task<mail::Address> Routing::complete(mail::Address address) {
    const bool bare_postmaster = address.domain.empty() && base::iequals(address.local_part, "postmaster");
    if (bare_postmaster) {
        auto meaning = co_await classify(options_.my_origin);
        const bool elsewhere =
            meaning && (*meaning == AddressClass::Default || *meaning == AddressClass::Relay);
        if (elsewhere) address.domain = options_.my_host_name;
    }
    co_return rewrite(std::move(address));
}

env::Task<std::expected<AddressClass, LookupFailure>> Routing::classify(std::string domain) {
    if (domain.empty() || is_own_literal(domain)) co_return AddressClass::Local;
    const auto in = [](const DomainList& list, const std::string& name) { return list.contains(name); };
    const std::pair<const DomainList*, AddressClass> order[] = {
        {&my_destination_, AddressClass::Local},
        {&virtual_alias_domains_, AddressClass::VirtualAlias},
        {&virtual_mailbox_domains_, AddressClass::VirtualMailbox},
        {&relay_domains_, AddressClass::Relay}};
    for (const auto& [list, meaning] : order) {
        auto found = co_await in(*list, domain);
        if (!found) co_return std::unexpected(failure(found.error()));
        if (*found) co_return meaning;
    }
    // A domain for nothing but rewritten senders is one of aliases: everybody else in it is unknown.
    if (rewriter_ && base::iequals(domain, rewriter_->domain())) co_return AddressClass::VirtualAlias;
    co_return AddressClass::Default;
}

env::Task<std::expected<bool, LookupFailure>> Routing::is_authorized_destination(mail::Address recipient) {
    recipient = co_await complete(std::move(recipient));
    if (is_rewritten_sender(recipient)) co_return true;  // whether it is genuine, the listing says
    auto resolved = co_await resolve(std::move(recipient));
    if (!resolved) co_return std::unexpected(resolved.error());
    recipient = std::move(*resolved);
    auto meaning = co_await classify(recipient.domain);
    if (!meaning) co_return std::unexpected(meaning.error());
    if (*meaning == AddressClass::Default) co_return false;
    // A route is still in it: for domains that are final here the whole local part is a name and simply
    // unknown; for those we relay, the next hop might follow it.
    if (!options_.allow_untrusted_routing && has_routing_operators(recipient.local_part)) {
        const bool last_stop =
            *meaning == AddressClass::VirtualMailbox || *meaning == AddressClass::VirtualAlias;
        if (!last_stop) co_return false;
    }
    co_return true;
}

LookupForms Routing::forms(AddressClass address_class) const {
    return {options_.recipient_delimiter,
            address_class == AddressClass::Local ? LookupForms::Local::Yes : LookupForms::Local::No,
            LookupForms::CatchAll::Yes};
}

env::Task<std::expected<Listing, LookupFailure>> Routing::listing(mail::Address address,
                                                                  std::string_view what) {
    const std::string shown = address.text();
    if (base::iequals(address.local_part, "postmaster") && address.domain.empty()) co_return Listing{};
    address = rewrite(std::move(address));
    if (is_rewritten_sender(address)) co_return rewritten_sender_listing(address);
    auto resolved = co_await resolve(std::move(address));
    if (!resolved) co_return std::unexpected(resolved.error());
    address = std::move(*resolved);
    auto meaning = co_await classify(address.domain);
    if (!meaning) co_return std::unexpected(meaning.error());
    const auto ways = forms(*meaning);
    const bool ours = *meaning == AddressClass::Local;
    if (ours && (base::iequals(address.local_part, "postmaster") ||
                 base::iequals(address.local_part, options_.double_bounce_sender)))
        co_return Listing{};
    struct Ask {
        const tables::TableList* tables;
    };
    std::vector<Ask> asks{
        {&recipient_canonical_maps_}, {&canonical_maps_}, {&virtual_alias_maps_}, {&relocated_maps_}};
    std::string table;
    std::uint32_t code = 550;
    switch (*meaning) {
        case AddressClass::Local:
            if (local_recipient_maps_.empty() || !options_.luser_relay.empty()) co_return Listing{};
            asks.push_back({&local_recipient_maps_});
            table = "local recipient";
            code = options_.unknown_local_code;
            break;
        case AddressClass::VirtualAlias:
            table = "virtual alias";
            code = options_.unknown_virtual_alias_code;
            break;
        case AddressClass::VirtualMailbox:
            if (virtual_mailbox_maps_.empty()) co_return Listing{};
            asks.push_back({&virtual_mailbox_maps_});
            table = "virtual mailbox";
            code = options_.unknown_virtual_mailbox_code;
            break;
        case AddressClass::Relay:
            if (relay_recipient_maps_.empty()) co_return Listing{};
            asks.push_back({&relay_recipient_maps_});
            table = "relay recipient";
            code = options_.unknown_relay_code;
            break;
        case AddressClass::Default:
            co_return Listing{};
    }
    for (const auto& ask : asks) {
        if (ask.tables->empty()) continue;
        auto found = co_await look_up_address(*ask.tables, address, ways);
        if (!found) co_return std::unexpected(failure(found.error()));
        if (*found) co_return Listing{};
    }
    Listing out;
    out.listed = false;
    out.refusal.code = static_cast<int>(code);
    out.refusal.status = {static_cast<std::uint16_t>(code / 100), 1,
                          static_cast<std::uint16_t>(what == "Sender" ? 0 : 1)};
    out.refusal.text = fmt::format("<{}>: {} address rejected: User unknown{}", shown, what,
                                   options_.show_table_name ? " in " + table + " table" : "");
    co_return out;
}

env::Task<std::expected<Listing, LookupFailure>> Routing::recipient_listing(mail::Address recipient) {
    return listing(std::move(recipient), "Recipient");
}
env::Task<std::expected<Listing, LookupFailure>> Routing::sender_listing(mail::Address sender) {
    return listing(std::move(sender), "Sender");
}

env::Task<std::expected<std::optional<std::string>, tables::TableError>> Routing::transport_entry(
    mail::Address recipient) {
    if (transport_maps_.empty()) co_return std::optional<std::string>{};
    const LookupForms ways{options_.recipient_delimiter, LookupForms::Local::No, LookupForms::CatchAll::No};
    auto exact = co_await look_up_address(transport_maps_, recipient, ways);
    if (!exact) co_return std::unexpected(exact.error());
    if (*exact) co_return (*exact)->value;
    std::string domain = base::lower(recipient.domain);
    std::vector<std::string> keys{domain};
    for (auto dot = domain.find('.'); dot != std::string::npos; dot = domain.find('.', dot + 1))
        keys.push_back(domain.substr(dot));
    keys.emplace_back("*");
    for (const auto& key : keys) {
        for (const auto& table : transport_maps_.tables()) {
            if (table->takes_whole_key_only()) continue;
            auto found = co_await table->lookup(key);
            if (!found || *found) co_return found;
        }
    }
    co_return std::optional<std::string>{};
}

/// What a sender-dependent table says; nullopt: nothing, or DUNNO.
env::Task<std::expected<std::optional<std::string>, LookupFailure>> Routing::by_sender(
    const tables::TableList& tables, const mail::ReversePath& sender, const std::string& null_key) const {
    std::optional<std::string> out;
    if (tables.empty()) co_return out;
    if (sender.is_null()) {
        auto found = co_await tables.lookup(null_key);
        if (!found) co_return std::unexpected(failure(found.error()));
        out = std::move(*found);
    } else {
        auto found = co_await look_up_address(tables, sender.address(), forms(AddressClass::Default));
        if (!found) co_return std::unexpected(failure(found.error()));
        if (*found) out = (*found)->value;
    }
    if (out && (base::iequals(*out, "DUNNO") || out->empty())) out.reset();
    co_return out;
}

env::Task<std::expected<RouteChoice, RouteFailure>> Routing::route(mail::ReversePath sender,
                                                                   mail::Address recipient) {
    const auto later = [](const std::string& why) {
        return std::unexpected(RouteFailure{{4, 3, 0}, "address lookup failure: " + why});
    };
    auto resolved = co_await resolve(std::move(recipient));
    if (!resolved) co_return later(resolved.error().text);
    recipient = std::move(*resolved);
    auto meaning = co_await classify(recipient.domain);
    if (!meaning) co_return later(meaning.error().text);
    if (!relocated_maps_.empty()) {
        auto moved = co_await look_up_address(relocated_maps_, recipient, forms(*meaning));
        if (!moved) co_return later(moved.error().text);
        if (*moved)
            co_return std::unexpected(
                RouteFailure{{5, 1, 6}, fmt::format("User has moved to {}", (*moved)->value)});
    }
    RouteChoice out;
    const std::string domain = is_own_literal(recipient.domain) ? options_.my_host_name : recipient.domain;
    std::string configured =
        *meaning == AddressClass::Default ? options_.default_transport : options_.relay_transport;
    switch (*meaning) {
        case AddressClass::Local:
            out = parse_transport(options_.local_transport, "local", domain);
            if (base::iequals(recipient.local_part, options_.double_bounce_sender))
                out = {"discard", "the postmaster's copies are not answered", {}};
            break;
        case AddressClass::VirtualAlias:
            co_return std::unexpected(
                RouteFailure{{5, 1, 1}, fmt::format("User unknown in virtual alias table")});
        case AddressClass::VirtualMailbox:
            out = parse_transport(options_.virtual_transport, "virtual", domain);
            break;
        case AddressClass::Relay:
            out = parse_transport(options_.relay_transport, "relay", domain);
            break;
        case AddressClass::Default: {
            auto own = co_await by_sender(sender_transport_maps_, sender, options_.null_sender_transport_key);
            if (!own) co_return later(own.error().text);
            if (*own) configured = **own;
            out = parse_transport(configured, "smtp", domain);
            break;
        }
    }
    if (*meaning == AddressClass::Default || *meaning == AddressClass::Relay) {
        auto own = co_await by_sender(sender_relay_host_maps_, sender, options_.null_sender_key);
        if (!own) co_return later(own.error().text);
        const std::string relay_host = own->value_or(options_.relay_host);
        // A next hop in the transport's own setting stands above the relayhost.
        const auto colon = configured.find(':');
        const bool names_hop = colon != std::string::npos && colon + 1 < configured.size();
        if (!relay_host.empty() && !names_hop) out.next_hop = relay_host;
    }
    auto entry = co_await transport_entry(recipient);
    if (!entry) co_return later(entry.error().text);
    if (*entry) {
        // An empty next hop is the recipient's domain; "smtp:" alone does not keep the relayhost
        // (transport(5)).
        const bool names_hop = (*entry)->find(':') != std::string::npos;
        out = parse_transport(**entry, out.transport,
                              names_hop && !(*entry)->starts_with(':') ? domain : out.next_hop);
    }
    out.recipient = std::move(recipient);
    co_return settle(std::move(out));
}

}  // namespace routing
