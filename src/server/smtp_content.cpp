// SmtpConnection: what the content itself says of its sender, and our signature under what we send.
#include "server/smtp_connection.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace server {

std::unique_ptr<policy::ContentCheck> SmtpConnection::make_check() const {
    using Role = policy::ContentCheck::Role;
    const auto& rules = service_->content;
    if (!rules) return nullptr;
    const bool ours = !session_.user().empty() || service_->signed_for(client_.address);
    if (ours)
        return rules->keys.empty() ? nullptr : std::make_unique<policy::ContentCheck>(rules, Role::Sign);
    const bool wanted = rules->options.check != policy::SenderCheck::No && services_.resolver &&
                        !service_->without_verify(client_.address);
    return wanted ? std::make_unique<policy::ContentCheck>(rules, Role::Verify) : nullptr;
}

/// Reports about reports would go to and fro for ever.
bool SmtpConnection::is_report_mail() const {
    return service_->takes_reports &&
           std::ranges::all_of(session_.envelope().recipients,
                               [&](const auto& one) { return service_->takes_reports(one.address); });
}

/// SPF, DKIM, ARC, DMARC of the finished message. A step: it was refused.
env::Task<std::optional<smtp::Step>> SmtpConnection::verify_content() {
    if (!content_ || !content_->check || content_->check->role() != policy::ContentCheck::Role::Verify)
        co_return std::nullopt;
    policy::SendingClient client;
    client.ip = client_.address;
    client.helo = session_.helo();
    client.name = client_name_;
    const auto& sender = session_.envelope().sender;
    if (!sender.is_null()) client.mail_from = sender.address().text();
    policy::ContentCheck::World world{*services_.resolver, services_.random, services_.loop};
    auto found = co_await content_->check->verify(world, std::move(client));
    if (!found.note.empty())
        note(base::Severity::Info,
             fmt::format("{}: {}", message_ ? message_->id().text() : "NOQUEUE", found.note));
    if (found.sighting && services_.sighted && !is_report_mail())
        services_.sighted(std::move(*found.sighting));
    content_->prepend = std::move(found.prepend);
    content_->hold = found.hold;
    content_->junk = found.junk;
    content_->verified = found.verified;
    if (!found.refusal) co_return std::nullopt;
    policy::Verdict verdict;
    verdict.kind = policy::Verdict::Kind::Refuse;
    verdict.reply = std::move(*found.refusal);
    reject_event(smtp::Stage::EndOfData, verdict);
    message_.reset();
    content_.reset();
    co_return session_.on_verdict(to_judged(verdict));
}

/// What the queue must know to forward this, and to file it.
void SmtpConnection::note_origin(const Content& content, mail::Envelope& envelope) const {
    const bool passed_on = session_.user().empty() && service_->sealed_for(client_.address) &&
                           !(content.check && content.check->role() == policy::ContentCheck::Role::Sign &&
                             content.check->signs());
    envelope.from_outside = passed_on || (session_.user().empty() && !service_->signed_for(client_.address));
    envelope.verified = passed_on || content.verified;
    envelope.junk = content.junk;
    envelope.hold = envelope.hold || content.hold;
}

}  // namespace server
