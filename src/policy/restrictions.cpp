// The restrictions themselves: one function each, one table (restriction.hpp). Texts are Postfix's own, as
// administrators and filters look for them.
#include "base/result.hpp"
#include "base/text.hpp"
#include "config/values.hpp"
#include "policy/restriction_table.hpp"
#include "routing/address_lookup.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace policy {

using Task = env::Task<Outcome>;

Outcome permit() { return {Outcome::Kind::Permit, {}}; }

Outcome refuse(std::uint32_t code, std::uint16_t subject, std::uint16_t detail, std::string text) {
    return {
        Outcome::Kind::Refuse,
        {static_cast<int>(code), {static_cast<std::uint16_t>(code / 100), subject, detail}, std::move(text)}};
}

Outcome lookup_failed(const Context& context, const std::string& shown, const std::string& why) {
    context.notes.push_back({"", "table lookup problem: " + why});
    return refuse(451, 3, 0, fmt::format("<{}>: Temporary lookup failure", shown));
}

bool is_literal(std::string_view name) { return name.starts_with('[') && name.ends_with(']'); }

std::string_view stage_word(const Context& context) {
    switch (context.stage) {
        case Stage::Connect:
            return "Client host";
        case Stage::Helo:
            return "Helo command";
        case Stage::Mail:
            return "Sender address";
        case Stage::Rcpt:
            return "Recipient address";
        case Stage::Data:
            return "Data command";
        case Stage::Etrn:
            return "Etrn command";
        default:
            return "End-of-data";
    }
}

std::string stage_shown(const Context& context) {
    switch (context.stage) {
        case Stage::Connect:
            return fmt::format("{}[{}]", context.facts.client_name, context.facts.client.address.text());
        case Stage::Helo:
            return context.facts.helo;
        case Stage::Mail:
            return context.facts.sender_text;
        case Stage::Rcpt:
            return context.facts.recipient_text;
        case Stage::Data:
            return "DATA";
        case Stage::Etrn:
            return context.facts.etrn_domain;
        default:
            return "END-OF-MESSAGE";
    }
}

env::Task<tables::Found> look_up_domain(tables::Table& table, std::string name) {
    name = base::lower(name);
    auto found = co_await table.lookup(name);
    if (!found || *found || table.takes_whole_key_only()) co_return found;
    for (auto dot = name.find('.'); dot != std::string::npos; dot = name.find('.', dot + 1)) {
        for (const auto& key : {name.substr(dot), name.substr(dot + 1)}) {
            if (key.empty()) continue;
            found = co_await table.lookup(key);
            if (!found || *found) co_return found;
        }
    }
    co_return std::optional<std::string>{};
}

env::Task<tables::Found> look_up_network(tables::Table& table, std::string address) {
    for (;;) {
        auto found = co_await table.lookup(address);
        if (!found || *found || table.takes_whole_key_only()) co_return found;
        const auto cut = address.find_last_of(".:");
        if (cut == std::string::npos) co_return found;
        address.resize(cut);
    }
}

Task finish_access(Context& context, tables::Found found, std::string shown, std::string_view what) {
    if (!found) co_return lookup_failed(context, shown, found.error().text);
    if (!*found) co_return Outcome{};
    Outcome out = co_await run_access_action(context, std::move(**found), std::move(shown), what);
    co_return out;
}

namespace {

std::string sender_shown(const Context& context) { return context.facts.sender_text; }
std::string recipient_shown(const Context& context) { return context.facts.recipient_text; }

bool is_fqdn(std::string_view name) {
    if (name.empty() || name.starts_with('.') || name.ends_with("..")) return false;
    if (name.ends_with('.')) name.remove_suffix(1);
    return name.find('.') != std::string_view::npos && name.find("..") == std::string_view::npos;
}

bool is_valid_literal(std::string_view name) {
    std::string_view inner = name.substr(1, name.size() - 2);
    if (base::istarts_with(inner, "IPv6:")) inner = inner.substr(5);
    return env::IpAddress::parse(inner).has_value();
}

bool is_valid_host_name(std::string_view name) {
    constexpr std::size_t label_max = 63;
    if (name.ends_with('.')) name.remove_suffix(1);
    if (name.empty() || name.size() > 255) return false;
    bool letters = false;
    for (const auto label : base::split(name, '.')) {
        if (label.empty() || label.size() > label_max || label.front() == '-' || label.back() == '-')
            return false;
        for (const char c : label) {
            if (!base::is_alnum(c) && c != '-' && c != '_') return false;
            letters = letters || !base::is_digit(c);
        }
    }
    return letters;
}

Task run_permit(Context&, const Step&) { co_return permit(); }

Task run_reject(Context& context, const Step&) {
    co_return refuse(
        context.options.reject_code, 7, 1,
        fmt::format("<{}>: {} rejected: Access denied", stage_shown(context), stage_word(context)));
}
Task run_defer(Context& context, const Step&) {
    co_return refuse(
        context.options.defer_code, 7, 1,
        fmt::format("<{}>: {} rejected: Try again later", stage_shown(context), stage_word(context)));
}

Task run_permit_mynetworks(Context& context, const Step&) {
    auto inside = co_await context.my_networks.contains(context.facts.client.address);
    if (!inside) co_return lookup_failed(context, context.facts.client.address.text(), inside.error().text);
    co_return *inside ? permit() : Outcome{};
}
Task relay_control(Context& context, bool defer) {
    if (!context.facts.recipient) co_return Outcome{};
    auto ours = co_await context.directory.is_authorized_destination(*context.facts.recipient);
    if (!ours) co_return lookup_failed(context, recipient_shown(context), ours.error().text);
    if (*ours) co_return Outcome{};
    const std::uint32_t code = defer ? 454 : context.options.relay_domains_reject_code;
    co_return refuse(code, 7, 1, fmt::format("<{}>: Relay access denied", recipient_shown(context)));
}
Task run_reject_unauth_destination(Context& context, const Step&) { return relay_control(context, false); }
Task run_defer_unauth_destination(Context& context, const Step&) { return relay_control(context, true); }
Task run_permit_auth_destination(Context& context, const Step&) {
    if (!context.facts.recipient) co_return Outcome{};
    auto ours = co_await context.directory.is_authorized_destination(*context.facts.recipient);
    if (!ours) co_return lookup_failed(context, recipient_shown(context), ours.error().text);
    co_return *ours ? permit() : Outcome{};
}

Task run_non_fqdn_helo(Context& context, const Step&) {
    const auto& helo = context.facts.helo;
    if (helo.empty() || is_fqdn(helo) || is_literal(helo)) co_return Outcome{};
    co_return refuse(context.options.non_fqdn_reject_code, 5, 2,
                     fmt::format("<{}>: Helo command rejected: need fully-qualified hostname", helo));
}
Task run_invalid_helo(Context& context, const Step&) {
    const auto& helo = context.facts.helo;
    const bool valid = helo.empty() || (is_literal(helo) ? is_valid_literal(helo)
                                                         : is_valid_host_name(helo) ||
                                                               env::IpAddress::parse(helo).has_value());
    if (valid) co_return Outcome{};
    co_return refuse(context.options.invalid_hostname_reject_code, 5, 2,
                     fmt::format("<{}>: Helo command rejected: Invalid name", helo));
}
Task run_non_fqdn_sender(Context& context, const Step&) {
    if (!context.facts.sender || context.facts.sender->is_null()) co_return Outcome{};
    const auto& domain = context.facts.sender->address().domain;
    if (is_literal(domain) || is_fqdn(domain)) co_return Outcome{};
    co_return refuse(
        context.options.non_fqdn_reject_code, 5, 2,
        fmt::format("<{}>: Sender address rejected: need fully-qualified address", sender_shown(context)));
}
Task run_non_fqdn_recipient(Context& context, const Step&) {
    if (!context.facts.recipient) co_return Outcome{};
    const auto& address = *context.facts.recipient;
    const bool bare_postmaster = address.domain.empty() && base::iequals(address.local_part, "postmaster");
    if (bare_postmaster || is_literal(address.domain) || is_fqdn(address.domain)) co_return Outcome{};
    co_return refuse(context.options.non_fqdn_reject_code, 5, 2,
                     fmt::format("<{}>: Recipient address rejected: need fully-qualified address",
                                 recipient_shown(context)));
}

Outcome of_listing(const Context& context,
                   const std::expected<routing::Listing, routing::LookupFailure>& listing,
                   const std::string& shown) {
    if (!listing) return lookup_failed(context, shown, listing.error().text);
    if (listing->listed) return {};
    return {Outcome::Kind::Refuse, listing->refusal};
}
Task run_unlisted_recipient(Context& context, const Step&) {
    if (!context.facts.recipient) co_return Outcome{};
    auto listing = co_await context.directory.recipient_listing(*context.facts.recipient);
    co_return of_listing(context, listing, recipient_shown(context));
}
Task run_unlisted_sender(Context& context, const Step&) {
    if (!context.facts.sender || context.facts.sender->is_null()) co_return Outcome{};
    auto listing = co_await context.directory.sender_listing(context.facts.sender->address());
    co_return of_listing(context, listing, sender_shown(context));
}
Task run_unauth_pipelining(Context& context, const Step&) {
    if (!context.facts.pipelined_early) co_return Outcome{};
    co_return refuse(503, 5, 0,
                     fmt::format("<{}>: {} rejected: Improper use of SMTP command pipelining",
                                 stage_shown(context), stage_word(context)));
}
Task run_plaintext_session(Context& context, const Step&) {
    if (context.facts.encrypted) co_return Outcome{};
    co_return refuse(context.options.plaintext_reject_code, 7, 1, "Session encryption is required");
}
Task run_multi_recipient_bounce(Context& context, const Step&) {
    const bool several = context.facts.recipient_count + (context.stage == Stage::Rcpt ? 1 : 0) > 1;
    if (!context.facts.sender || !context.facts.sender->is_null() || !several) co_return Outcome{};
    co_return refuse(
        context.options.multi_recipient_bounce_reject_code, 5, 3,
        fmt::format("<{}>: {} rejected: Multi-recipient bounce", stage_shown(context), stage_word(context)));
}
Task run_unknown_client(Context& context, const Step&) {
    if (context.facts.client_name != "unknown") co_return Outcome{};
    co_return refuse(
        context.facts.client_name_failed_temporarily ? 450 : context.options.unknown_client_reject_code, 7,
        context.facts.client_name_failed_temporarily ? 1 : 25,
        fmt::format("Client host rejected: cannot find your hostname, [{}]",
                    context.facts.client.address.text()));
}
Task run_unknown_reverse_client(Context& context, const Step&) {
    if (context.facts.reverse_name != "unknown") co_return Outcome{};
    co_return refuse(context.options.unknown_client_reject_code, 7, 25,
                     fmt::format("Client host rejected: cannot find your reverse hostname, [{}]",
                                 context.facts.client.address.text()));
}

Task client_access(Context& context, const Step& step, std::string name) {
    const std::string shown = fmt::format("{}[{}]", name, context.facts.client.address.text());
    auto found = co_await look_up_domain(*step.table, name);
    if (found && !*found) found = co_await look_up_network(*step.table, context.facts.client.address.text());
    Outcome out = co_await finish_access(context, std::move(found), shown, "Client host");
    co_return out;
}
Task run_client_access(Context& context, const Step& step) {
    return client_access(context, step, context.facts.client_name);
}
Task run_reverse_client_access(Context& context, const Step& step) {
    return client_access(context, step, context.facts.reverse_name);
}
Task run_helo_access(Context& context, const Step& step) {
    if (context.facts.helo.empty()) co_return Outcome{};
    auto found = co_await look_up_domain(*step.table, context.facts.helo);
    Outcome out = co_await finish_access(context, std::move(found), context.facts.helo, "Helo command");
    co_return out;
}

Task run_etrn_access(Context& context, const Step& step) {
    if (context.facts.etrn_domain.empty()) co_return Outcome{};
    auto found = co_await look_up_domain(*step.table, context.facts.etrn_domain);
    Outcome out =
        co_await finish_access(context, std::move(found), context.facts.etrn_domain, "Etrn command");
    co_return out;
}

Task address_access(Context& context, const Step& step, mail::Address address, std::string shown,
                    std::string_view what) {
    const tables::TableList list({step.table});
    const routing::LookupForms whole{context.options.recipient_delimiter, routing::LookupForms::Local::No,
                                     routing::LookupForms::CatchAll::No};
    auto exact = co_await routing::look_up_address(list, address, whole);
    tables::Found found = std::optional<std::string>{};
    if (!exact)
        found = std::unexpected(exact.error());
    else if (*exact)
        found = std::optional((*exact)->value);
    if (found && !*found && !step.table->takes_whole_key_only()) {
        found = co_await look_up_domain(*step.table, address.domain);
        if (found && !*found) found = co_await step.table->lookup(address.local_part + "@");
        const auto user =
            routing::split_extension(address.local_part, context.options.recipient_delimiter).first;
        if (found && !*found && user != address.local_part) found = co_await step.table->lookup(user + "@");
    }
    Outcome out = co_await finish_access(context, std::move(found), std::move(shown), what);
    co_return out;
}
Task run_sender_access(Context& context, const Step& step) {
    if (!context.facts.sender) co_return Outcome{};
    if (context.facts.sender->is_null()) {
        auto found = co_await step.table->lookup(context.options.null_access_key);
        Outcome out = co_await finish_access(context, std::move(found), "", "Sender address");
        co_return out;
    }
    Outcome out = co_await address_access(context, step, context.facts.sender->address(),
                                          sender_shown(context), "Sender address");
    co_return out;
}
Task run_recipient_access(Context& context, const Step& step) {
    if (!context.facts.recipient) co_return Outcome{};
    Outcome out = co_await address_access(context, step, *context.facts.recipient, recipient_shown(context),
                                          "Recipient address");
    co_return out;
}

Task run_sleep(Context& context, const Step& step) {
    if (context.loop) co_await context.loop->sleep(*config::parse_time(step.argument, 's'));
    co_return Outcome{};
}

// --- Policy servers (SMTPD_POLICY_README) ---

PolicyAttributes attributes_of(const Context& context, const PolicyService& service) {
    const Facts& facts = context.facts;
    const bool at_content = context.asked == Stage::Data || context.asked == Stage::EndOfData;
    const bool at_ehlo = context.asked == Stage::Helo && facts.esmtp;
    return {{"request", "smtpd_access_policy"},
            {"protocol_state", at_ehlo ? "EHLO" : std::string(to_text(context.asked))},
            {"protocol_name", facts.protocol},
            {"client_address", facts.client.address.text()},
            {"client_name", facts.client_name},
            {"client_port", std::to_string(facts.client.port)},
            {"reverse_client_name", facts.reverse_name},
            {"server_address", facts.server.address.text()},
            {"server_port", std::to_string(facts.server.port)},
            {"helo_name", facts.helo},
            {"sender", facts.sender_text},
            {"recipient", facts.recipient_text},
            {"recipient_count", std::to_string(at_content ? facts.recipient_count : 0)},
            {"queue_id", facts.queue_id},
            {"instance", facts.instance},
            {"size", std::to_string(facts.size)},
            {"etrn_domain", facts.etrn_domain},
            {"stress", ""},
            {"sasl_method", facts.sasl_method},
            {"sasl_username", facts.sasl_username},
            {"sasl_sender", facts.sasl_sender},
            {"ccert_subject", ""},
            {"ccert_issuer", ""},
            {"ccert_fingerprint", facts.client_certificate_fingerprint},
            {"ccert_pubkey_fingerprint", ""},
            {"encryption_protocol", facts.tls_protocol},
            {"encryption_cipher", facts.tls_cipher},
            {"encryption_keysize", std::to_string(facts.tls_cipher_bits)},
            {"policy_context", service.context}};
}

Task run_policy_service(Context& context, const Step& step) {
    std::expected<std::string, std::string> answer = std::unexpected("there is no network");
    if (context.network && context.loop) {
        auto attributes = attributes_of(context, *step.service);
        answer = co_await ask_policy_service(*step.service, std::move(attributes), *context.network,
                                             *context.loop);
    }
    if (!answer) {
        context.notes.push_back(
            {"", fmt::format("problem talking to server {}: {}", step.service->text, answer.error())});
        answer = step.service->default_action;
    }
    Outcome out =
        co_await run_access_action(context, std::move(*answer), stage_shown(context), stage_word(context));
    co_return out;
}

// The registry: order has no meaning. Old names stand beside the new ones.
constexpr Entry entries[] = {
    {"permit", Argument::None, run_permit},
    {"reject", Argument::None, run_reject},
    {"defer", Argument::None, run_defer},
    {"permit_mynetworks", Argument::None, run_permit_mynetworks},
    {"permit_auth_destination", Argument::None, run_permit_auth_destination},
    {"reject_unauth_destination", Argument::None, run_reject_unauth_destination},
    {"defer_unauth_destination", Argument::None, run_defer_unauth_destination},
    {"reject_non_fqdn_helo_hostname", Argument::None, run_non_fqdn_helo},
    {"reject_non_fqdn_hostname", Argument::None, run_non_fqdn_helo},
    {"reject_invalid_helo_hostname", Argument::None, run_invalid_helo},
    {"reject_invalid_hostname", Argument::None, run_invalid_helo},
    {"reject_non_fqdn_sender", Argument::None, run_non_fqdn_sender},
    {"reject_non_fqdn_recipient", Argument::None, run_non_fqdn_recipient},
    {"reject_unlisted_recipient", Argument::None, run_unlisted_recipient},
    {"check_recipient_maps", Argument::None, run_unlisted_recipient},
    {"reject_unlisted_sender", Argument::None, run_unlisted_sender},
    {"reject_unauth_pipelining", Argument::None, run_unauth_pipelining},
    {"reject_plaintext_session", Argument::None, run_plaintext_session},
    {"reject_multi_recipient_bounce", Argument::None, run_multi_recipient_bounce},
    {"reject_unknown_client_hostname", Argument::None, run_unknown_client},
    {"reject_unknown_client", Argument::None, run_unknown_client},
    {"reject_unknown_reverse_client_hostname", Argument::None, run_unknown_reverse_client},
    {"sleep", Argument::Time, run_sleep},
    {"check_policy_service", Argument::Service, run_policy_service},
    {"check_client_access", Argument::Table, run_client_access},
    {"check_reverse_client_hostname_access", Argument::Table, run_reverse_client_access},
    {"check_helo_access", Argument::Table, run_helo_access},
    {"check_sender_access", Argument::Table, run_sender_access},
    {"check_recipient_access", Argument::Table, run_recipient_access},
    {"check_etrn_access", Argument::Table, run_etrn_access},
};

}  // namespace

std::span<const Entry> plain_restrictions() { return entries; }

}  // namespace policy
