#include "queue/notifier.hpp"

#include "base/text.hpp"
#include "mail/header.hpp"
#include "mail/path.hpp"
#include "queue/own_mail.hpp"
#include "queue/store_content.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace queue {
namespace {

using For = mail::DsnInput::For;

std::string log_kind(mail::DsnAction kind, For whom) {
    const std::string to = whom == For::Postmaster ? "postmaster " : "sender ";
    switch (kind) {
        case mail::DsnAction::Failed:
            return to + "non-delivery";
        case mail::DsnAction::Delayed:
            return to + "delay";
        default:
            return to + "delivery status";
    }
}

// The header of a message, without the empty line; bounded.
std::string header_of(std::string_view start) {
    const auto end = start.find("\r\n\r\n");
    return std::string(start.substr(0, end == std::string_view::npos ? start.size() : end + 2));
}

}  // namespace

bool Notifier::has_class(std::string_view name) const {
    return std::ranges::any_of(options_.notify_classes,
                               [&](const auto& one) { return base::iequals(one, name); });
}

const mail::BounceTemplate& Notifier::words(mail::DsnAction kind) const {
    switch (kind) {
        case mail::DsnAction::Failed:
            return options_.templates.failure;
        case mail::DsnAction::Delayed:
            return options_.templates.delay;
        default:
            return options_.templates.success;
    }
}

/// What main.cf names without a domain is of $myorigin.
mail::Address Notifier::complete(std::string_view text) const {
    const mail::PathOptions any{mail::PathOptions::Utf8::Allow, mail::PathOptions::Form::Tolerant};
    auto out = mail::parse_mailbox(text, any).value_or(mail::Address{"postmaster", ""});
    if (out.domain.empty()) out.domain = options_.origin;
    return out;
}

env::Task<bool> Notifier::send(Notice notice) {
    const mail::ReversePath& sender = notice.record->envelope.sender;
    const bool failed = notice.kind == mail::DsnAction::Failed;
    const auto dropped = [&](std::string_view why) {
        services_.events.note(base::Severity::Info, "bounce",
                              fmt::format("{}: a notification could not be delivered and is dropped: {}",
                                          notice.about.text(), why));
    };
    if (!sender.is_null() && sender.address().key() == complete(options_.double_bounce_sender).key()) {
        if (failed) dropped("it was the postmaster's copy already");
        co_return true;
    }
    if (sender.is_null()) {
        if (!failed) co_return true;
        if (!has_class("2bounce")) {
            dropped("there is nobody to tell");
            co_return true;
        }
        const std::string to = options_.double_bounce_recipient;
        const bool told = co_await tell_postmaster(std::move(notice), to, Return::Full);
        co_return told;
    }
    const bool copied =
        (failed && has_class("bounce")) || (notice.kind == mail::DsnAction::Delayed && has_class("delay"));
    const bool headers = !failed || notice.record->envelope.dsn_return == mail::DsnReturn::Headers;
    const std::string to = sender.text();
    const Return returned = headers ? Return::Headers : Return::Full;
    Notice first = notice;
    const mail::ReversePath nobody;
    const bool told = co_await tell(std::move(first), For::Sender, nobody, to, returned);
    // A copy that cannot be queued now is given up: the sender must not be told twice for it.
    if (told && copied) {
        const std::string postmaster = failed ? options_.bounce_recipient : options_.delay_recipient;
        co_await tell_postmaster(std::move(notice), postmaster, Return::Headers);
    }
    co_return told;
}

env::Task<bool> Notifier::tell_postmaster(Notice notice, std::string to, Return returned) {
    const mail::ReversePath from(complete(options_.double_bounce_sender));
    const bool told = co_await tell(std::move(notice), For::Postmaster, from, std::move(to), returned);
    co_return told;
}

env::Task<bool> Notifier::tell(Notice notice, For whom, mail::ReversePath from, std::string to,
                               Return returned) {
    const auto record = notice.record;
    const mail::Envelope& original = record->envelope;
    auto incoming = services_.intake.begin();
    if (!incoming) co_return false;
    const QueueId new_id = (*incoming)->id();
    // An unreadable original must not stop the notice about it.
    StoreContent content(services_.store, notice.about, *record);
    auto piece = co_await content.next();

    mail::DsnInput input;
    input.kind = notice.kind;
    input.whom = whom;
    input.words = words(notice.kind);
    input.reporting_mta = options_.host_name;
    input.mail_name = options_.mail_name;
    input.queue_id = notice.about.text();
    input.envelope_id = original.dsn_envelope_id;
    input.to = complete(to);
    input.from_domain = options_.host_name;
    input.recipients = std::move(notice.recipients);
    input.arrived = record->arrived;
    input.now = services_.loop.clock().wall();
    input.zone = services_.loop.clock().zone_offset(input.now);
    input.retry_until = notice.retry_until;
    input.boundary = fmt::format("{:016x}.{}/{}", services_.random.next(), new_id.text(), options_.host_name);
    input.message_id = fmt::format("<{}@{}>", new_id.text(), options_.host_name);
    if (options_.threaded && piece) {
        mail::HeaderScanner scanner;
        scanner.feed(*piece);
        input.about_message_id = scanner.message_id();
    }
    input.smtputf8 = original.smtputf8;
    input.original_body = original.body;
    const bool headers_only = returned == Return::Headers || record->size > options_.bounce_size_limit;
    input.original = headers_only ? mail::DsnInput::Original::HeadersOnly : mail::DsnInput::Original::Full;
    const mail::DsnText text = mail::compose_dsn(input);

    auto written = co_await (*incoming)->append(text.before);
    while (written && piece && !piece->empty()) {
        const std::string part = headers_only ? header_of(*piece) : std::move(*piece);
        written = co_await (*incoming)->append(part);
        if (headers_only) break;
        piece = co_await content.next();
    }
    if (written) written = co_await (*incoming)->append(text.after);
    if (!written) co_return false;

    const OwnService service{"bounce", options_.host_name, options_.mail_name};
    mail::Envelope envelope = own_envelope(service, input.to);
    envelope.sender = from;
    envelope.smtputf8 = original.smtputf8 || !input.to.is_ascii();
    envelope.body = text.body;
    auto expanded = co_await services_.expand(std::move(envelope));
    if (!expanded) {
        services_.events.note(base::Severity::Warning, "bounce",
                              fmt::format("{}: {}", notice.about.text(), expanded.error()));
        co_return false;
    }
    std::string received = own_received_field(service, *expanded, new_id, input.now, input.zone);
    base::MessageContents contents{new_id.text(), input.message_id};
    auto receipt = co_await (*incoming)->commit(std::move(*expanded), std::move(received));
    if (!receipt) co_return false;
    services_.events.emit(contents);
    services_.events.emit(
        base::NotificationSent{notice.about.text(), log_kind(notice.kind, whom), new_id.text()});
    co_return true;
}

}  // namespace queue
