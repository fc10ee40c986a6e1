// Delivery status notifications (RFC 3464, RFC 3461 §6, RFC 6522; RFC 6533 for international addresses).
// Pure: what stands before and after the returned message, so that a large original can be streamed between.
#pragma once

#include "mail/bounce_template.hpp"
#include "mail/date.hpp"
#include "mail/envelope.hpp"
#include "mail/status.hpp"

#include <optional>
#include <string>
#include <vector>

namespace mail {

enum class DsnAction { Failed, Delayed, Delivered, Relayed, Expanded };
std::string_view to_text(DsnAction action);

struct DsnRecipient {
    Recipient recipient;
    DsnAction action = DsnAction::Failed;
    Status status;
    std::string text;        // our own words, as logged
    std::string remote_mta;  // "dns; mx.example.org"; empty: none
    std::string diagnostic;  // "smtp; 550 5.1.1 …"; empty: none
};

struct DsnInput {
    DsnAction kind = DsnAction::Failed;
    std::string reporting_mta;
    std::string mail_name = "Postrider";
    std::string queue_id;
    std::string envelope_id;
    Address to;
    enum class For { Sender, Postmaster } whom = For::Sender;
    BounceTemplate words;     // with its names filled in; "MAILER-DAEMON (…)" is completed by from_domain
    std::string from_domain;  // "mail.example.com"
    std::vector<DsnRecipient> recipients;
    TimePoint arrived;
    TimePoint now;
    std::chrono::minutes zone{0};
    std::optional<TimePoint> retry_until;  // of a delay
    std::string boundary;                  // not in the original
    std::string message_id;                // with angle brackets
    std::string about_message_id;          // the original's, for enable_threaded_bounces; empty: not said
    enum class Original { Full, HeadersOnly } original = Original::Full;
    BodyType original_body = BodyType::SevenBit;
    bool smtputf8 = false;
};

struct DsnText {
    std::string before;  // the whole message up to the returned one
    std::string after;
    BodyType body = BodyType::SevenBit;  // with the returned message
};

DsnText compose_dsn(const DsnInput& input);

}  // namespace mail
