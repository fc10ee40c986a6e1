// A message's content as a server is to get it: as it is stored, or converted for one that lacks 8BITMIME or
// BINARYMIME (RFC 6152 §3; docs/decisions/0035), then changed as the transport's rules say. Belongs to the
// queue manager's loop.
#pragma once

#include "content/content_filter.hpp"
#include "delivery/outgoing_rules.hpp"
#include "mail/content_conversion.hpp"
#include "mail/envelope.hpp"
#include "mail/line_folder.hpp"
#include "queue/transport.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace delivery {

class OutgoingContent {
 public:
    /// `rules` may be nullptr.
    OutgoingContent(std::unique_ptr<queue::ContentReader> stored, std::shared_ptr<const OutgoingRules> rules)
        : stored_(std::move(stored)), rules_(std::move(rules)) {}

    struct Server {
        bool eight_bit = false, binary = false, smtputf8 = false;
    };
    struct Message {
        mail::BodyType body = mail::BodyType::SevenBit;  // as declared
        bool smtputf8 = false;
        bool may_convert = true;  // not disable_mime_output_conversion
    };
    struct Fit {
        /// Of what next() gives. More than the server takes: it cannot be made to fit.
        mail::BodyType body = mail::BodyType::SevenBit;
        bool utf8_header = false;  // only looked at where the server lacks SMTPUTF8
        /// Exact of binary content, which is sent with its length (RFC 3030 §2); else what is stored.
        std::uint64_t size = 0;
    };
    /// From the beginning, for this server. The content is read once before only where something may not fit,
    /// or its length must be known. Error: the store's, or a table's.
    env::Task<std::expected<Fit, std::string>> fit(Server server, Message message);
    /// The next piece; empty at the end.
    env::Task<std::expected<std::string, std::string>> next();
    /// A table that decides about it could not be asked.
    bool failed() const { return filter_ && filter_->failure(); }
    /// What was done to it since fit(), for the log.
    std::vector<std::string> take_notes();
    /// The content as it is stored, from the beginning, for another transport.
    std::unique_ptr<queue::ContentReader> release() {
        stored_->rewind();
        return std::move(stored_);
    }

 private:
    enum class Lines { AsTheyAre, Folded };
    env::Task<std::expected<void, std::string>> survey();
    env::Task<std::expected<Fit, std::string>> choose(Server server, Message message);
    env::Task<std::expected<std::uint64_t, std::string>> measure();
    void begin(Lines lines);
    env::Task<std::expected<std::string, std::string>> next_converted();
    env::Task<std::expected<std::string, std::string>> next_filtered();
    std::unique_ptr<queue::ContentReader> stored_;
    std::shared_ptr<const OutgoingRules> rules_;
    std::unique_ptr<mail::ContentSurvey> survey_;  // once it was needed
    std::optional<mail::ContentConversion> conversion_;
    bool converted_ = false;                          // all of it
    std::unique_ptr<content::ContentFilter> filter_;  // nullptr: nothing is changed
    bool filtered_ = false;                           // all of it
    std::optional<mail::LineFolder> folder_;
};

}  // namespace delivery
