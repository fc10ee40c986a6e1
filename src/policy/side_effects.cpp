#include "policy/side_effects.hpp"

#include "routing/routing.hpp"

namespace policy {

bool SideEffects::any() const {
    return !prepend.empty() || !filter.empty() || !redirect.empty() || !bcc.empty() || hold || discard;
}

void SideEffects::add(const SideEffects& more) {
    prepend.insert(prepend.end(), more.prepend.begin(), more.prepend.end());
    bcc.insert(bcc.end(), more.bcc.begin(), more.bcc.end());
    if (!more.filter.empty()) filter = more.filter;
    if (!more.redirect.empty()) redirect = more.redirect;
    hold = hold || more.hold;
    discard = discard || more.discard;
}

void SideEffects::apply_early(mail::Envelope& envelope) const {
    envelope.hold = envelope.hold || hold;
    if (!filter.empty()) envelope.content_filter = filter;
    for (const auto& text : bcc) {
        for (auto& address : routing::parse_address_values(text)) {
            mail::Recipient copy;
            copy.address = copy.original = std::move(address);
            copy.notify = mail::Notify::Never;
            envelope.recipients.push_back(std::move(copy));
        }
    }
}

void SideEffects::apply_late(mail::Envelope& envelope) const {
    if (redirect.empty() || envelope.recipients.empty()) return;
    auto addresses = routing::parse_address_values(redirect);
    if (addresses.empty()) return;
    envelope.recipients.resize(1);
    envelope.recipients.front().address = std::move(addresses.front());
    envelope.content_filter.clear();
}

}  // namespace policy
