// A message's content as a server can take it: as it is stored, or converted for one that lacks 8BITMIME or
// BINARYMIME (RFC 6152 §3; docs/decisions/0035). Belongs to the queue manager's loop.
#pragma once

#include "mail/content_conversion.hpp"
#include "mail/envelope.hpp"
#include "queue/transport.hpp"

#include <memory>
#include <optional>

namespace delivery {

class OutgoingContent {
 public:
    explicit OutgoingContent(std::unique_ptr<queue::ContentReader> stored) : stored_(std::move(stored)) {}

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
    };
    /// From the beginning, for this server. The content is read once before only where something may not fit.
    /// Error: the store's.
    env::Task<std::expected<Fit, std::string>> fit(Server server, Message message);
    /// The next piece; empty at the end.
    env::Task<std::expected<std::string, std::string>> next();
    /// The content as it is stored, from the beginning, for another transport.
    std::unique_ptr<queue::ContentReader> release() {
        stored_->rewind();
        return std::move(stored_);
    }
    std::uint64_t stored_size() const { return stored_->size(); }

 private:
    env::Task<std::expected<void, std::string>> survey();
    std::unique_ptr<queue::ContentReader> stored_;
    std::unique_ptr<mail::ContentSurvey> survey_;  // once it was needed
    std::optional<mail::ContentConversion> conversion_;
    bool ended_ = false;
};

}  // namespace delivery
