// Routing: what becomes of the addresses of a new message (cleanup's work): canonical forms, hidden hosts,
// virtual aliases, blind copies. The order is Postfix's (ADDRESS_REWRITING_README).
#include "base/text.hpp"
#include "mail/path.hpp"
#include "routing/routing.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace routing {
namespace {

bool named(const std::vector<std::string>& words, std::string_view word) {
    return std::ranges::find(words, word) != words.end();
}

std::string_view to_text(AddressRole role) {
    switch (role) {
        case AddressRole::EnvelopeSender:
            return "envelope_sender";
        case AddressRole::EnvelopeRecipient:
            return "envelope_recipient";
        case AddressRole::HeaderSender:
            return "header_sender";
        case AddressRole::HeaderRecipient:
            return "header_recipient";
    }
    return "";
}

/// What a table says of an address: "@domain" keeps the local part.
std::vector<mail::Address> targets_of(std::string value, const mail::Address& address) {
    if (value.starts_with('@')) value = mail::quote_local_part(address.local_part) + value;
    return parse_address_values(value);
}

}  // namespace

/// `kind`: its word in propagate_unmatched_extensions.
env::Task<std::expected<mail::Address, std::string>> Routing::look_up_mapped(mail::Address address,
                                                                             const tables::TableList& tables,
                                                                             std::string_view kind) {
    auto meaning = co_await classify(address.domain);
    if (!meaning) co_return std::unexpected(meaning.error().text);
    auto found = co_await look_up_address(tables, address, forms(*meaning));
    if (!found) co_return std::unexpected(found.error().text);
    if (!*found) co_return address;
    auto targets = targets_of((*found)->value, address);
    if (targets.empty()) co_return address;
    mail::Address out = std::move(targets.front());
    const bool catch_all = (*found)->value.starts_with('@');
    if (!catch_all && named(options_.propagated_extensions, kind)) out.local_part += (*found)->extension;
    co_return rewrite(std::move(out));
}

env::Task<std::expected<mail::Address, std::string>> Routing::generic(mail::Address address,
                                                                      const tables::TableList& tables) {
    auto found = co_await look_up_mapped(std::move(address), tables, "generic");
    co_return found;
}

/// The domain an address shows: the first of masquerade_domains it is a host of.
std::string Routing::masqueraded(const mail::Address& address) const {
    const std::string domain = base::lower(address.domain);
    const auto is_exception = [&](const auto& user) { return base::iequals(user, address.local_part); };
    if (std::ranges::any_of(options_.masquerade_exceptions, is_exception)) return address.domain;
    for (const auto& item : options_.masquerade_domains) {
        const bool kept = item.starts_with('!');
        const std::string hidden = base::lower(std::string_view(item).substr(kept ? 1 : 0));
        if (domain != hidden && !domain.ends_with("." + hidden)) continue;
        return kept ? address.domain : hidden;
    }
    return address.domain;
}

env::Task<std::expected<mail::Address, std::string>> Routing::mapped(mail::Address address,
                                                                     AddressRole role) {
    if (role == AddressRole::EnvelopeRecipient) {
        address = co_await complete(std::move(address));
        auto leads_to = co_await resolve(std::move(address));
        if (!leads_to) co_return std::unexpected(leads_to.error().text);
        address = std::move(*leads_to);
    } else {
        address = rewrite(std::move(address));
    }
    const bool sender = role == AddressRole::EnvelopeSender || role == AddressRole::HeaderSender;
    const std::string_view word = to_text(role);
    const auto& specific = sender ? options_.sender_canonical_classes : options_.recipient_canonical_classes;
    const auto& tables = sender ? sender_canonical_maps_ : recipient_canonical_maps_;
    if (!tables.empty() && named(specific, word)) {
        auto found = co_await look_up_mapped(std::move(address), tables, "canonical");
        if (!found) co_return std::unexpected(found.error());
        address = std::move(*found);
    }
    if (!canonical_maps_.empty() && named(options_.canonical_classes, word)) {
        auto found = co_await look_up_mapped(std::move(address), canonical_maps_, "canonical");
        if (!found) co_return std::unexpected(found.error());
        address = std::move(*found);
    }
    if (!options_.masquerade_domains.empty() && named(options_.masquerade_classes, word))
        address.domain = masqueraded(address);
    co_return address;
}

env::Task<std::expected<std::vector<mail::Address>, std::string>> Routing::virtual_expansion(
    mail::Address first) {
    std::vector<mail::Address> done;
    if (virtual_alias_maps_.empty()) {
        done.push_back(std::move(first));
        co_return done;
    }
    const bool keep_extension = named(options_.propagated_extensions, "virtual");
    struct Pending {
        mail::Address address;
        std::uint32_t depth;
    };
    std::vector<Pending> todo{{std::move(first), 0}};
    std::set<std::string> seen;
    while (!todo.empty()) {
        auto [address, depth] = std::move(todo.back());
        todo.pop_back();
        auto meaning = co_await classify(address.domain);
        if (!meaning) co_return std::unexpected(meaning.error().text);
        auto found = co_await look_up_address(virtual_alias_maps_, address, forms(*meaning));
        if (!found) co_return std::unexpected(found.error().text);
        if (!*found) {
            done.push_back(std::move(address));
            continue;
        }
        if (depth >= options_.virtual_alias_recursion_limit)
            co_return std::unexpected("virtual_alias_maps nest too deep at " + address.text());
        if (!seen.insert(base::lower(address.key())).second) {
            continue;  // expanded already on another way
        }
        auto targets = targets_of((*found)->value, address);
        std::ranges::reverse(targets);  // a stack: the first is taken first
        for (auto& target : targets) {
            if (keep_extension && !(*found)->extension.empty() &&
                options_.recipient_delimiter.find((*found)->extension.front()) != std::string::npos &&
                !target.domain.empty() &&
                target.local_part.find((*found)->extension.front()) == std::string::npos)
                target.local_part += (*found)->extension;
            target = rewrite(std::move(target));
            // "user -> user": itself ends the expansion.
            if (base::iequals(target.key(), address.key()))
                done.push_back(std::move(target));
            else
                todo.push_back({std::move(target), depth + 1});
        }
        if (done.size() + todo.size() > options_.virtual_alias_expansion_limit)
            co_return std::unexpected("virtual_alias_maps make too many addresses of " + address.text());
    }
    co_return done;
}

env::Task<std::expected<mail::Envelope, std::string>> Routing::expand(mail::Envelope envelope) {
    if (!envelope.sender.is_null()) {
        auto sender = co_await mapped(envelope.sender.address(), AddressRole::EnvelopeSender);
        if (!sender) co_return std::unexpected(sender.error());
        envelope.sender = mail::ReversePath(std::move(*sender));
    }
    std::vector<mail::Recipient> out;
    std::vector<mail::Recipient> todo = std::move(envelope.recipients);
    const std::size_t given = todo.size();
    std::set<std::string> seen;
    const auto blind_copy = [&](const std::string& text) {
        for (auto& address : parse_address_values(text)) {
            mail::Recipient recipient;
            recipient.address = recipient.original = rewrite(std::move(address));
            recipient.notify = mail::Notify::Never;
            todo.push_back(std::move(recipient));
        }
    };
    if (!sender_bcc_maps_.empty() && !envelope.sender.is_null()) {
        auto found =
            co_await look_up_address(sender_bcc_maps_, envelope.sender.address(), forms(AddressClass::Local));
        if (!found) co_return std::unexpected(found.error().text);
        if (*found) blind_copy((*found)->value);
    }
    if (!options_.always_bcc.empty()) blind_copy(options_.always_bcc);
    for (std::size_t i = 0; i < todo.size(); ++i) {  // grows by the copies, which make none themselves
        mail::Recipient recipient = std::move(todo[i]);
        // A forged one stays as it is, and is unknown when its turn comes.
        if (is_rewritten_sender(recipient.address))
            if (auto original = original_sender(recipient.address)) recipient.address = std::move(*original);
        auto address = co_await mapped(recipient.address, AddressRole::EnvelopeRecipient);
        if (!address) co_return std::unexpected(address.error());
        auto expanded = co_await virtual_expansion(*address);
        if (!expanded) co_return std::unexpected(expanded.error());
        const bool many = todo.size() > 1 || expanded->size() > 1;
        for (auto& target : *expanded) {
            if (many && !seen.insert(target.key()).second) continue;
            out.push_back(recipient);
            out.back().address = std::move(target);
        }
        if (i >= given || recipient_bcc_maps_.empty()) continue;
        auto found =
            co_await look_up_address(recipient_bcc_maps_, std::move(*address), forms(AddressClass::Local));
        if (!found) co_return std::unexpected(found.error().text);
        if (*found) blind_copy((*found)->value);
    }
    envelope.recipients = std::move(out);
    co_return envelope;
}

}  // namespace routing
