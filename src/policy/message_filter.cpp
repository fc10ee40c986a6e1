#include "policy/message_filter.hpp"

#include "base/result.hpp"
#include "base/text.hpp"

#include <algorithm>

namespace policy {

std::expected<std::shared_ptr<const FilterRules>, std::string> make_filter_rules(FilterOptions options,
                                                                                 tables::Factory& factory) {
    auto out = std::make_shared<FilterRules>();
    constexpr std::string_view known[] = {"no_unknown_recipient_checks", "no_address_mappings",
                                          "no_header_body_checks", "no_milters"};
    for (const auto& word : options.overrides)
        if (std::ranges::find(known, word) == std::end(known))
            return std::unexpected("receive_override_options: '" + base::printable(word, 60) +
                                   "' is none of its words");
    if (!options.overridden("no_header_body_checks")) {
        const content::HeaderChecks::Specs specs{"", options.header_checks, options.mime_header_checks,
                                                 options.nested_header_checks, options.body_checks};
        TRY_ASSIGN(out->checks, content::HeaderChecks::make(specs, factory));
    }
    out->limits = options.limits();
    out->body_octets = options.body_checks_octets;
    out->dropped_fields = options.dropped_headers;
    out->options = std::move(options);
    return out;
}

mail::ReplyText rejection(std::string_view text) {
    mail::ReplyText out{550, {5, 7, 1}, "message content rejected"};
    if (const auto status = mail::Status::parse_prefix(text); status && status->class_ != 2) {
        out.status = *status;
        if (status->class_ == 4) out.code = 451;
        text = base::trim(text.substr(status->text().size()));
    }
    if (!text.empty()) out.text = text;
    return out;
}

MessageFilter::MessageFilter(std::shared_ptr<const FilterRules> rules, Rewrite rewrite)
    : ContentFilter(rules, std::move(rewrite)), rules_(std::move(rules)) {}

std::optional<mail::ReplyText> MessageFilter::refusal() const {
    if (failure()) return mail::ReplyText{451, {4, 3, 0}, "Error: queue file write error"};
    return refusal_;
}

content::ContentFilter::Fate MessageFilter::act(const content::CheckAction& action, std::string& said) {
    using Kind = content::CheckAction::Kind;
    switch (action.kind) {
        case Kind::Reject:
            refusal_ = rejection(action.text);
            said = refusal_->status.text() + " " + refusal_->text;
            return Fate::Ends;
        case Kind::Discard:
            effects_.discard = true;
            return Fate::Ends;
        case Kind::Filter:
            effects_.filter = action.text;
            return Fate::Stays;
        case Kind::Redirect:
            effects_.redirect = action.text;
            return Fate::Stays;
        case Kind::Bcc:
            effects_.bcc.push_back(action.text);
            return Fate::Stays;
        case Kind::Hold:
            effects_.hold = true;
            return Fate::Stays;
        default:
            return Fate::Unsupported;
    }
}

}  // namespace policy
