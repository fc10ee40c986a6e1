#include "queue/own_mail.hpp"

#include "mail/received.hpp"

namespace queue {

mail::Envelope own_envelope(const OwnService& service, mail::Address to) {
    mail::Envelope out;
    mail::Recipient recipient;
    recipient.address = recipient.original = std::move(to);
    out.recipients.push_back(std::move(recipient));
    out.origin.client_address = "local";
    out.origin.client_name = service.host_name;
    out.origin.helo = service.name;
    out.origin.service = service.name;
    return out;
}

std::string own_received_field(const OwnService& service, const mail::Envelope& envelope, const QueueId& id,
                               mail::TimePoint now, std::chrono::minutes zone) {
    mail::TraceOptions trace;
    trace.host_name = service.host_name;
    trace.mail_name = service.mail_name;
    return mail::received_field(envelope, trace, id.text(), now, zone);
}

env::Task<bool> queue_own_mail(std::unique_ptr<IncomingMessage> incoming, OwnMail mail,
                               const ExpandEnvelope& expand, base::EventSink& events) {
    auto written = co_await incoming->append(mail.content);
    if (!written) co_return false;
    mail::Envelope envelope = own_envelope(mail.service, std::move(mail.to));
    envelope.recipients.front().notify = mail::Notify::Never;
    std::string prepend =
        own_received_field(mail.service, envelope, incoming->id(), mail.now, mail.zone) + mail.signature;
    auto expanded = co_await expand(std::move(envelope));
    if (!expanded) co_return false;
    const base::MessageContents contents{incoming->id().text(), mail.message_id};
    auto receipt = co_await incoming->commit(std::move(*expanded), std::move(prepend));
    if (!receipt) co_return false;
    events.emit(contents);
    co_return true;
}

}  // namespace queue
