// Postfix's cleanup for one message's content, while it streams in: what content::ContentFilter does, and the
// actions of header_checks(5) that decide about the whole message. Belongs to one connection; the rules are
// shared.
#pragma once

#include "content/content_filter.hpp"
#include "mail/status.hpp"
#include "policy/filter_options.hpp"
#include "policy/side_effects.hpp"

#include <memory>
#include <optional>
#include <string>

namespace policy {

struct FilterRules : content::ContentRules {
    FilterOptions options;
};
std::expected<std::shared_ptr<const FilterRules>, std::string> make_filter_rules(FilterOptions options,
                                                                                 tables::Factory& factory);

/// REJECT's reply: "5.2.1 text" sets the status, "4.7.1 text" makes it temporary.
mail::ReplyText rejection(std::string_view text);

class MessageFilter : public content::ContentFilter {
 public:
    MessageFilter(std::shared_ptr<const FilterRules> rules, Rewrite rewrite);
    std::optional<mail::ReplyText> refusal() const;
    const SideEffects& effects() const { return effects_; }
    const std::string& content_filter() const { return rules_->options.content_filter; }

 private:
    Fate act(const content::CheckAction& action, std::string& said) override;
    std::shared_ptr<const FilterRules> rules_;
    std::optional<mail::ReplyText> refusal_;
    SideEffects effects_;
};

}  // namespace policy
