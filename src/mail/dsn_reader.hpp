// Reading what other systems send back: delivery status notifications (RFC 3464, RFC 6522), feedback reports
// (RFC 5965) and automatic answers (RFC 3834). Tolerant: of a bounce in prose what can be told is told. Pure.
#pragma once

#include "mail/mime.hpp"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mail {

/// Fields of one block of a message/delivery-status part, unfolded, as they stand; empty: not there.
struct ReturnedRecipient {
    std::string original_recipient, final_recipient;  // "rfc822; ann@example.org"
    std::string action;  // lower case: failed, delayed, delivered, relayed, expanded
    std::string status;  // "5.1.1"
    std::string remote_mta, diagnostic_code, last_attempt_date, will_retry_until;
    /// The address itself: of Final-Recipient, else Original-Recipient.
    std::string address() const;
};

struct ReturnedMail {
    enum class Kind { None, DeliveryStatus, Feedback, AutomaticReply, Prose } kind = Kind::None;
    std::string reporting_mta, original_envelope_id, arrival_date;  // of the block about the message
    std::vector<ReturnedRecipient> recipients;
    std::string original_message_id;     // of the message returned, with angle brackets
    std::vector<std::string> mentioned;  // Prose: addresses the text names, most likely those that failed
    std::map<std::string, std::string> feedback;  // names lower case: the fields of a feedback report
};
std::string_view to_text(ReturnedMail::Kind kind);

struct ReturnedLimits {
    std::size_t recipients_max = 1000;
    std::size_t status_octets_max = 1 << 20;
    std::size_t value_octets_max = 2000;
    std::size_t mentioned_max = 10;
};

/// A message/delivery-status part (RFC 3464 §2): the block about the message, then one for each recipient.
void read_delivery_status(std::string_view part, const ReturnedLimits& limits, ReturnedMail& out);

ReturnedMail read_returned_mail(std::string_view message, const ReturnedLimits& limits = {});

}  // namespace mail
