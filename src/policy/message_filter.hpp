// Postfix's cleanup for one message's content, while it streams by: header_checks and body_checks, header
// fields that never stay (message_drop_headers), addresses in header fields completed and rewritten. A field
// nothing is to be changed in stays octet for octet. Belongs to one connection; the rules are shared.
#pragma once

#include "mail/mime_splitter.hpp"
#include "policy/header_checks.hpp"
#include "policy/side_effects.hpp"
#include "routing/routing.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace policy {

struct FilterRules {
    FilterOptions options;
    HeaderChecks checks;
};
std::expected<std::shared_ptr<const FilterRules>, std::string> make_filter_rules(FilterOptions options,
                                                                                 tables::Factory& factory);

class MessageFilter {
 public:
    /// What an address of a header field becomes; empty: header fields are not rewritten.
    using Rewrite = std::function<env::Task<std::expected<mail::Address, std::string>>(mail::Address,
                                                                                       routing::AddressRole)>;
    MessageFilter(std::shared_ptr<const FilterRules> rules, Rewrite rewrite);

    /// True when what comes can be stored as it is, without feed().
    bool passes() const { return passes_; }
    /// The next octets (CRLF line ends); what is to be stored is appended to `out`.
    env::Task<void> feed(std::string_view octets, std::string& out);
    /// Behind the last octet.
    env::Task<void> end(std::string& out);
    /// A field of our own (Received:) that is about to stand before the message; "": it is not to be there.
    env::Task<std::string> own_field(std::string field);

    /// What was found, in order, for the log: "reject: header Subject: x from …: text".
    struct Note {
        std::string word, what, text;
    };
    std::vector<Note> take_notes() { return std::move(notes_); }
    const std::optional<mail::ReplyText>& refusal() const { return refusal_; }
    const SideEffects& effects() const { return effects_; }
    const std::string& content_filter() const { return rules_->options.content_filter; }

 private:
    env::Task<void> drain(std::string& out);
    bool stays(std::string_view text, mail::MimePiece::Block block) const;
    env::Task<void> field(std::string text, mail::MimePiece::Block block, std::string& out);
    env::Task<void> line(std::string text, std::size_t segment, std::string& out);
    env::Task<std::string> rewritten(std::string field);
    /// Does what the action says; false: `text` is not to be stored.
    bool apply(const CheckAction& action, std::string_view where, std::string& text, std::string& out);
    void fail(const std::string& why);
    void note(std::string_view word, std::string what, std::string text);

    std::shared_ptr<const FilterRules> rules_;
    Rewrite rewrite_;
    mail::MimeSplitter splitter_;
    bool passes_ = false;
    std::size_t segment_ = 0;
    std::uint64_t segment_octets_ = 0;  // of the body looked at last
    std::vector<Note> notes_;
    std::optional<mail::ReplyText> refusal_;
    SideEffects effects_;
};

}  // namespace policy
