// SmtpConnection: what the policy is asked and told, and what becomes of its word.
#include "server/smtp_connection.hpp"

#include <fmt/format.h>

namespace server {
namespace {

policy::Stage to_policy(smtp::Stage stage) {
    switch (stage) {
        case smtp::Stage::Connect:
            return policy::Stage::Connect;
        case smtp::Stage::Helo:
            return policy::Stage::Helo;
        case smtp::Stage::Mail:
            return policy::Stage::Mail;
        case smtp::Stage::Rcpt:
            return policy::Stage::Rcpt;
        case smtp::Stage::Data:
            return policy::Stage::Data;
        case smtp::Stage::EndOfData:
            return policy::Stage::EndOfData;
        case smtp::Stage::Vrfy:
            return policy::Stage::Vrfy;
        case smtp::Stage::Etrn:
            return policy::Stage::Etrn;
    }
    return policy::Stage::Connect;
}

}  // namespace

policy::Facts SmtpConnection::facts() const {
    policy::Facts out;
    out.client = client_;
    out.server = server_;
    out.sasl_username = session_.user();
    out.sasl_method = session_.auth_method();
    out.client_name = client_name_;
    out.reverse_name = reverse_name_;
    out.helo = session_.helo();
    out.esmtp = session_.esmtp();
    out.protocol = session_.esmtp() ? "ESMTP" : "SMTP";
    out.sender = session_.envelope().sender;
    out.sender_text = session_.sender_text();
    if (session_.has_pending_recipient()) {
        out.recipient = session_.pending_recipient().address;
        out.recipient_text = session_.pending_recipient().path_text;
    } else if (session_.recipient_count() == 1) {
        out.recipient = session_.envelope().recipients.front().address;
        out.recipient_text = out.recipient->text();
    }
    out.recipient_count = session_.recipient_count();
    out.etrn_domain = session_.etrn_domain();
    out.size = content_ ? content_->size : session_.envelope().declared_size;
    if (message_) out.queue_id = message_->id().text();
    out.instance = instance_;
    out.sasl_sender = session_.envelope().origin.sasl_sender;
    out.pipelined_early = session_.pipelined_early();
    if (const auto* tls = stream_->tls()) {
        out.encrypted = true;
        out.tls_protocol = tls->protocol;
        out.tls_cipher = tls->cipher;
        out.tls_cipher_bits = tls->cipher_bits;
        out.client_certificate_fingerprint = tls->peer_fingerprint;
        out.client_key_fingerprint = tls->peer_key_fingerprint;
        out.client_certificate_verified = !tls->peer_fingerprint.empty() && tls->peer_problem.empty();
    }
    return out;
}

smtp::Judged SmtpConnection::to_judged(const policy::Verdict& verdict) {
    smtp::Judged out;
    out.reply = verdict.reply;
    if (verdict.kind == policy::Verdict::Kind::Refuse) out.kind = smtp::Judged::Kind::Refuse;
    if (verdict.kind == policy::Verdict::Kind::RefuseAndClose) out.kind = smtp::Judged::Kind::RefuseAndClose;
    if (!verdict.effects.any()) return out;
    if (!effects_) effects_ = std::make_unique<policy::SideEffects>();
    effects_->add(verdict.effects);
    return out;
}

void SmtpConnection::reject_event(smtp::Stage stage, const policy::Verdict& verdict) {
    base::Rejected event;
    event.service = service_->name;
    if (message_) event.queue_id = message_->id().text();
    event.stage = policy::to_text(to_policy(stage));
    event.name = client_name_;
    event.address = client_.address.text();
    event.reply = verdict.reply.line();
    event.sender = session_.sender_text();
    if (session_.has_pending_recipient())
        event.recipient = session_.pending_recipient().path_text;
    else if (session_.recipient_count() > 0)
        event.recipient = session_.envelope().recipients.front().address.text();
    event.protocol = session_.helo().empty() ? "" : session_.esmtp() ? "ESMTP" : "SMTP";
    event.helo = session_.helo();
    event.sasl_username = session_.user();
    services_.events.emit(std::move(event));
}

env::Task<policy::Verdict> SmtpConnection::ask_judge(policy::Stage stage) {
    if (!service_->judge->asks(stage)) co_return policy::Verdict{};
    const policy::Facts known = facts();
    policy::Verdict verdict = co_await service_->judge->judge(stage, known);
    co_return verdict;
}

/// ETRN, which the policy allowed this client.
env::Task<smtp::Step> SmtpConnection::flush_site() {
    using Outcome = smtp::ServerSession::SiteFlush;
    const std::string& domain = session_.etrn_domain();
    const bool served = co_await service_->may_flush(domain);
    if (!served) {
        note(base::Severity::Warning, fmt::format("reject: ETRN {} from {}", domain, who()));
        co_return session_.on_site_flushed(Outcome::NotServed);
    }
    if (!services_.flush_site) co_return session_.on_site_flushed(Outcome::Failed);
    services_.flush_site(domain);
    co_return session_.on_site_flushed(Outcome::Started);
}

env::Task<smtp::Step> SmtpConnection::judge(smtp::Stage stage) {
    if (limited_ && (stage == smtp::Stage::Mail || stage == smtp::Stage::Rcpt)) {
        const auto kind =
            stage == smtp::Stage::Mail ? ClientLimits::Kind::Message : ClientLimits::Kind::Recipient;
        const auto over =
            services_.limits.count(client_.address, kind, service_->limits, services_.loop.clock().steady());
        if (over) {
            policy::Verdict verdict;
            verdict.kind = policy::Verdict::Kind::Refuse;
            verdict.reply = {
                450, {4, 7, 1}, fmt::format("Error: too much mail from {}", client_.address.text())};
            if (stage == smtp::Stage::Rcpt)
                verdict.reply.text = "Error: too many recipients from " + client_.address.text();
            reject_event(stage, verdict);
            note(base::Severity::Warning, fmt::format("{} for service {}", *over, service_->name));
            co_return session_.on_verdict(to_judged(verdict));
        }
    }
    if (stage == smtp::Stage::Mail) {
        effects_.reset();
        const auto since = services_.loop.clock().steady().time_since_epoch();
        instance_ = fmt::format("{:x}.{:x}", client_.port, since.count());
    }
    policy::Verdict verdict = co_await ask_judge(to_policy(stage));
    const bool logged_in = !session_.user().empty();
    if (verdict.accepted() && logged_in && (stage == smtp::Stage::Mail || stage == smtp::Stage::Rcpt))
        verdict = co_await judge_account(stage, std::move(verdict));
    if (verdict.accepted() && logged_in && stage == smtp::Stage::EndOfData)
        verdict = co_await judge_authors(std::move(verdict));
    if (verdict.accepted() && stage == smtp::Stage::EndOfData) {
        auto refused = co_await verify_content();
        if (!refused) refused = filter_verdict();
        if (refused) co_return std::move(*refused);
    }
    if (!verdict.accepted()) {
        reject_event(stage, verdict);
        if (stage == smtp::Stage::EndOfData) {
            message_.reset();
            content_.reset();
            account_.reset();
        }
    }
    co_return session_.on_verdict(to_judged(verdict));
}

}  // namespace server
