// Mail that this server writes itself: notifications, reports, notices to the postmaster. What its envelope
// and its Received: say, and for what is not answered its whole way into the queue. Runs on the loop of its
// Intake.
#pragma once

#include "base/event.hpp"
#include "mail/date.hpp"
#include "queue/intake.hpp"

#include <functional>

namespace queue {

/// Aliases, as for any new message; the error is temporary.
using ExpandEnvelope = std::function<env::Task<std::expected<mail::Envelope, std::string>>(mail::Envelope)>;

/// Who writes it.
struct OwnService {
    std::string name;  // "bounce", "reports"
    std::string host_name, mail_name;
};

/// From the null sender to one address.
mail::Envelope own_envelope(const OwnService& service, mail::Address to);
std::string own_received_field(const OwnService& service, const mail::Envelope& envelope, const QueueId& id,
                               mail::TimePoint now, std::chrono::minutes zone);

/// A whole message that nothing is to answer, neither person nor notification.
struct OwnMail {
    OwnService service;
    mail::Address to;
    mail::TimePoint now;
    std::chrono::minutes zone{0};
    std::string message_id;   // with angle brackets
    std::string content;      // header and body, CRLF line ends
    std::string signature{};  // fields before it, behind Received:
};
/// True: it is in the queue, and the log has its Message-ID.
env::Task<bool> queue_own_mail(std::unique_ptr<IncomingMessage> incoming, OwnMail mail,
                               const ExpandEnvelope& expand, base::EventSink& events);

}  // namespace queue
