// A message's content looked at and changed while it streams by: header_checks and body_checks, header fields
// that never stay, addresses in header fields rewritten. A field nothing is to be changed in stays octet for
// octet. What comes in is judged by policy::MessageFilter, what goes out by delivery::OutgoingContent; the
// rules are shared, a filter belongs to one message.
#pragma once

#include "content/header_checks.hpp"
#include "mail/mime_splitter.hpp"
#include "routing/routing.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace content {

struct ContentRules {
    HeaderChecks checks;
    mail::MimeSplitterLimits limits;
    std::optional<std::uint64_t> body_octets;  // of each body, that body_checks look at; none: all
    std::vector<std::string> dropped_fields;
};

class ContentFilter {
 public:
    /// What an address of a header field becomes; empty: header fields are not rewritten.
    using Rewrite = std::function<env::Task<std::expected<mail::Address, std::string>>(mail::Address,
                                                                                       routing::AddressRole)>;
    ContentFilter(std::shared_ptr<const ContentRules> rules, Rewrite rewrite);
    virtual ~ContentFilter() = default;

    /// True when what comes can go on as it is, without feed().
    bool passes() const { return passes_; }
    /// The next octets (CRLF line ends); what goes on is appended to `out`.
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
    /// A table could not be asked: the message cannot go on now.
    const std::optional<std::string>& failure() const { return failure_; }

 protected:
    enum class Fate {
        Unsupported,  // there is no such action here: said in the log
        Stays,        // the text goes on
        Ends          // nothing of the message goes on
    };
    /// Actions that do more than change the text. `said`: for the log.
    virtual Fate act(const CheckAction& action, std::string& said);

 private:
    env::Task<void> drain(std::string& out);
    bool stays(std::string_view text, mail::MimePiece::Block block) const;
    env::Task<void> field(std::string text, mail::MimePiece::Block block, std::string& out);
    env::Task<void> line(std::string text, std::size_t segment, std::string& out);
    env::Task<std::string> rewritten(std::string field);
    bool is_dropped(std::string_view name) const;
    /// Does what the action says; false: `text` does not go on.
    bool apply(const FoundCheck& found, std::string_view where, std::string& text, std::string& out);
    void fail(const std::string& why);
    void note(std::string_view word, std::string what, std::string text);

    std::shared_ptr<const ContentRules> rules_;
    Rewrite rewrite_;
    mail::MimeSplitter splitter_;
    bool passes_ = false, ended_ = false;
    std::size_t segment_ = 0;
    std::uint64_t segment_octets_ = 0;  // of the body looked at last
    std::vector<Note> notes_;
    std::optional<std::string> failure_;
};

}  // namespace content
