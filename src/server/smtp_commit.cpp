// SmtpConnection: a finished message becomes ours: its envelope, the fields we write before it, the commit.
#include "mail/received.hpp"
#include "server/smtp_connection.hpp"

#include <fmt/format.h>

namespace server {

mail::Envelope SmtpConnection::finished_envelope() {
    mail::Envelope out = session_.take_envelope();
    out.origin.client_address = client_.address.text();
    out.origin.client_name = client_name_;
    out.origin.reverse_name = reverse_name_;
    out.origin.client_port = client_.port;
    out.origin.helo = session_.helo();
    out.origin.service = service_->name;
    out.origin.sasl_username = session_.user();
    out.origin.sasl_method = session_.auth_method();
    out.origin.protocol = session_.esmtp() ? (out.smtputf8 ? "UTF8SMTP" : "ESMTP") : "SMTP";
    if (const auto* tls = stream_->tls()) {
        if (session_.esmtp()) out.origin.protocol += 'S';
        out.origin.tls_protocol = tls->protocol;
        out.origin.tls_cipher =
            fmt::format("{} ({}/{} bits)", tls->cipher, tls->cipher_bits, tls->algorithm_bits);
    }
    if (session_.esmtp() && !session_.user().empty()) out.origin.protocol += 'A';  // RFC 3848
    if (service_->filter) out.content_filter = service_->filter->options.content_filter;
    return out;
}

/// The fields that will stand before the message: what restrictions and checks want, and our own. nullopt:
/// the content was refused after all.
env::Task<std::optional<std::string>> SmtpConnection::leading_fields(Content& content,
                                                                     const mail::Envelope& envelope,
                                                                     std::string queue_id) {
    const auto now = services_.loop.clock().wall();
    std::string out;
    if (effects_)
        for (const auto& line : effects_->prepend) out += line + "\r\n";
    out += content.prepend;
    std::string received = mail::received_field(envelope, trace_options(), queue_id, now,
                                                services_.loop.clock().zone_offset(now));
    if (content.filter) {
        received = co_await content.filter->own_field(std::move(received));
        report_filter_notes(content, envelope, queue_id);
        if (content.filter->refusal()) co_return std::nullopt;
    }
    out += received;
    std::string missing;
    if (service_->repair_always || content.mended)
        missing = missing_fields(content.header, envelope, queue_id);
    if (content.check && content.check->role() == policy::ContentCheck::Role::Sign)
        out += co_await content.check->sign(services_.workers, missing, env::unix_time(now));
    co_return out + missing;
}

env::Task<smtp::Step> SmtpConnection::commit() {
    const auto message = std::move(message_);
    const auto content = std::move(content_);
    const std::string id = message->id().text();
    services_.events.emit(base::MessageContents{id, content->header.message_id()});
    policy::SideEffects effects = effects_ ? *effects_ : policy::SideEffects{};
    if (content->filter) effects.add(content->filter->effects());
    if (effects.discard) co_return session_.on_discarded(id);
    mail::Envelope envelope = finished_envelope();
    auto leading = co_await leading_fields(*content, envelope, id);
    if (!leading) co_return session_.on_verdict(refused(*content->filter->refusal()));
    note_origin(*content, envelope);
    effects.apply_early(envelope);
    if (service_->mark) message->mark(service_->mark(envelope, message->id()));
    if (service_->expand) {
        auto expanded = co_await service_->expand(std::move(envelope));
        if (!expanded) {
            note(base::Severity::Warning, fmt::format("{}: {}", id, expanded.error()));
            co_return session_.on_commit_failed(smtp::CommitFailure::Store);
        }
        envelope = std::move(*expanded);
    }
    effects.apply_late(envelope);
    auto receipt = co_await message->commit(std::move(envelope), std::move(*leading));
    if (!receipt) {
        note(base::Severity::Error, fmt::format("{}: the message could not be stored", id));
        co_return session_.on_commit_failed(to_failure(receipt.error()));
    }
    settle_account();
    co_return session_.on_committed(receipt->id().text());
}

}  // namespace server
