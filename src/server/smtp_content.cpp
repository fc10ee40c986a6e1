// SmtpConnection: what the content itself says of its sender, our signature under what we send, and what
// header and body checks find. A verified message is looked at as it came, before the filter changes it; what
// we sign is what the filter made of it.
#include "base/text.hpp"
#include "server/smtp_connection.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace server {

env::Task<std::unique_ptr<policy::ContentCheck>> SmtpConnection::make_check() const {
    using Role = policy::ContentCheck::Role;
    const auto& rules = service_->content;
    if (!rules) co_return nullptr;
    bool ours = !session_.user().empty();
    if (!ours) ours = co_await service_->signed_for(client_.address);
    if (ours) {
        if (rules->keys.empty() || forwards_a_strangers()) co_return nullptr;
        using Lines = policy::ContentCheck::Lines;
        const bool binary = session_.envelope().body == mail::BodyType::BinaryMime;
        const Lines lines = binary ? Lines::AsTheyAre : Lines::Folded;
        co_return std::make_unique<policy::ContentCheck>(rules, Role::Sign, lines);
    }
    if (rules->options.check == policy::SenderCheck::No || !services_.resolver) co_return nullptr;
    const bool exempt = co_await service_->without_verify(client_.address);
    if (exempt) co_return nullptr;
    co_return std::make_unique<policy::ContentCheck>(rules, Role::Verify);
}

/// A content filter of ours hands back what came from outside: our name is not put on it.
bool SmtpConnection::forwards_a_strangers() const {
    const auto* said = session_.xforward();
    return said != nullptr && said->local == false;
}

/// What main.cf's lists of clients say of this one, for its message.
env::Task<void> SmtpConnection::note_clients() {
    if (!session_.user().empty() || !service_->mended_for.only_logged_in()) {
        auto known = facts();
        auto mended = co_await service_->mended_for.contains(std::move(known));
        if (!mended) note(base::Severity::Warning, "local_header_rewrite_clients: " + mended.error());
        content_->mended = mended.value_or(false);
    }
    if (const auto* said = session_.xforward(); said && said->local) content_->mended = *said->local;
    if (!session_.user().empty()) co_return;
    const bool ours = co_await service_->signed_for(client_.address);
    content_->from_outside = !ours || forwards_a_strangers();
    content_->passed_on = co_await service_->sealed_for(client_.address);
}

void SmtpConnection::make_filter() {
    if (!service_->filter) return;
    content_->filter = std::make_unique<policy::MessageFilter>(
        service_->filter, content_->mended ? service_->rewrite_mended : service_->rewrite_foreign);
}

/// Through check and filter, in the order of their roles, to the store.
env::Task<void> SmtpConnection::pass_on(std::string_view piece, LastPiece last) {
    Content& content = *content_;
    const bool verify = content.check && content.check->role() == policy::ContentCheck::Role::Verify;
    const auto check = [&](std::string_view text) -> std::string_view {
        content.checked.clear();
        content.check->feed(text, content.checked);
        if (last == LastPiece::Yes) content.check->end(content.checked);
        return content.checked;
    };
    if (verify) piece = check(piece);
    if (content.filter && !content.filter->passes()) {
        content.filtered.clear();
        co_await content.filter->feed(piece, content.filtered);
        if (last == LastPiece::Yes) co_await content.filter->end(content.filtered);
        piece = content.filtered;
    }
    if (content.author_reader) {
        content.author_reader->feed(piece);
        if (last == LastPiece::Yes) content.author_reader->end();
    }
    if (content.check && !verify) piece = check(piece);
    co_await append(piece);
}

void SmtpConnection::report_filter_notes(Content& content, const mail::Envelope& envelope,
                                         const std::string& queue_id) {
    const auto notes = content.filter->take_notes();
    if (notes.empty()) return;
    std::string whence = fmt::format("from {}; from=<{}>", who(), envelope.sender.text());
    if (!envelope.recipients.empty())
        whence += fmt::format(" to=<{}>", envelope.recipients.front().address.text());
    whence += fmt::format(" proto={} helo=<{}>", session_.esmtp() ? "ESMTP" : "SMTP", session_.helo());
    for (const auto& [word, what, text] : notes)
        services_.events.note(base::Severity::Info, "cleanup",
                              fmt::format("{}: {}: {} {}{}{}", queue_id, word, base::printable(what, 320),
                                          whence, text.empty() ? "" : ": ", text));
}

/// What header_checks and body_checks say of the finished message. A step: it was refused.
std::optional<smtp::Step> SmtpConnection::filter_verdict() {
    if (!content_ || !content_->filter) return std::nullopt;
    report_filter_notes(*content_, session_.envelope(), message_ ? message_->id().text() : "NOQUEUE");
    const auto refusal = content_->filter->refusal();
    if (!refusal) return std::nullopt;
    message_.reset();
    content_.reset();
    return session_.on_verdict(refused(*refusal));
}

smtp::Judged SmtpConnection::refused(mail::ReplyText reply) {
    smtp::Judged out;
    out.kind = smtp::Judged::Kind::Refuse;
    out.reply = std::move(reply);
    return out;
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
    const bool signs =
        content.check && content.check->role() == policy::ContentCheck::Role::Sign && content.check->signs();
    const bool passed_on = content.passed_on && !signs;
    envelope.from_outside = passed_on || content.from_outside;
    envelope.verified = passed_on || content.verified;
    envelope.junk = content.junk;
    envelope.hold = envelope.hold || content.hold;
    // Received: told already who sent it to us.
    if (const auto* said = session_.xforward()) smtp::take_over(*said, envelope.origin);
}

}  // namespace server
