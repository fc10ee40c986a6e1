#include "queue/notifier.hpp"

#include "mail/received.hpp"
#include "queue/store_content.hpp"

#include <fmt/format.h>

namespace queue {
namespace {

std::string_view log_kind(mail::DsnAction kind) {
    switch (kind) {
        case mail::DsnAction::Failed:
            return "sender non-delivery";
        case mail::DsnAction::Delayed:
            return "sender delay";
        default:
            return "sender delivery status";
    }
}

// The header of a message, without the empty line; bounded.
std::string header_of(std::string_view start) {
    const auto end = start.find("\r\n\r\n");
    return std::string(start.substr(0, end == std::string_view::npos ? start.size() : end + 2));
}

}  // namespace

env::Task<bool> Notifier::send(mail::DsnAction kind, QueueId about,
                               std::shared_ptr<const EnvelopeRecord> record,
                               std::vector<mail::DsnRecipient> recipients,
                               std::optional<env::WallTime> retry_until) {
    const mail::Envelope& original = record->envelope;
    if (original.sender.is_null()) {
        if (kind == mail::DsnAction::Failed)
            events_.note(
                base::Severity::Info, "bounce",
                about.text() +
                    ": a notification could not be delivered and is dropped: there is nobody to tell");
        co_return true;
    }
    auto incoming = intake_.begin();
    if (!incoming) co_return false;
    const QueueId new_id = (*incoming)->id();

    mail::DsnInput input;
    input.kind = kind;
    input.reporting_mta = options_.host_name;
    input.mail_name = options_.mail_name;
    input.queue_id = about.text();
    input.envelope_id = original.dsn_envelope_id;
    input.sender = original.sender.address();
    input.sender_from = "MAILER-DAEMON@" + options_.host_name;
    input.recipients = std::move(recipients);
    input.arrived = record->arrived;
    input.now = loop_.clock().wall();
    input.zone = loop_.clock().zone_offset(input.now);
    input.retry_until = retry_until;
    input.boundary = fmt::format("{:016x}.{}/{}", random_.next(), new_id.text(), options_.host_name);
    input.message_id = fmt::format("<{}@{}>", new_id.text(), options_.host_name);
    input.smtputf8 = original.smtputf8;
    const bool headers_only = kind != mail::DsnAction::Failed ||
                              original.dsn_return == mail::DsnReturn::Headers ||
                              record->size > options_.bounce_size_limit;
    input.original = headers_only ? mail::DsnInput::Original::HeadersOnly : mail::DsnInput::Original::Full;
    const mail::DsnText text = mail::compose_dsn(input);

    auto written = co_await (*incoming)->append(text.before);
    StoreContent content(store_, about, *record);
    while (written) {
        auto piece = co_await content.next();
        if (!piece || piece->empty()) break;  // an unreadable original must not stop the notice about it
        const std::string part = headers_only ? header_of(*piece) : std::move(*piece);
        written = co_await (*incoming)->append(part);
        if (headers_only) break;
    }
    if (written) written = co_await (*incoming)->append(text.after);
    if (!written) co_return false;

    mail::Envelope envelope;
    mail::Recipient to;
    to.address = to.original = original.sender.address();
    to.notify = mail::Notify::Never;
    envelope.recipients.push_back(std::move(to));
    envelope.smtputf8 = original.smtputf8;
    envelope.body = original.body == mail::BodyType::SevenBit && !original.smtputf8
                        ? mail::BodyType::SevenBit
                        : mail::BodyType::EightBitMime;
    envelope.origin.client_address = "local";
    envelope.origin.client_name = options_.host_name;
    envelope.origin.helo = "bounce";
    envelope.origin.service = "bounce";
    mail::TraceOptions trace;
    trace.host_name = options_.host_name;
    trace.mail_name = options_.mail_name;
    std::string received = mail::received_field(envelope, trace, new_id.text(), input.now, input.zone);
    base::MessageContents contents{new_id.text(), input.message_id};
    auto receipt = co_await (*incoming)->commit(std::move(envelope), std::move(received));
    if (!receipt) co_return false;
    events_.emit(contents);
    events_.emit(base::NotificationSent{about.text(), std::string(log_kind(kind)), new_id.text()});
    co_return true;
}

}  // namespace queue
