#include "policy/restriction_judge.hpp"

#include "base/result.hpp"

#include <fmt/format.h>
#include <span>

namespace policy {

std::string_view to_text(Stage stage) {
    switch (stage) {
        case Stage::Connect:
            return "CONNECT";
        case Stage::Helo:
            return "HELO";
        case Stage::Mail:
            return "MAIL";
        case Stage::Rcpt:
            return "RCPT";
        case Stage::Data:
            return "DATA";
        case Stage::EndOfData:
            return "END-OF-MESSAGE";
        case Stage::Etrn:
            return "ETRN";
        case Stage::Vrfy:
            return "VRFY";
    }
    return "";
}

std::expected<std::unique_ptr<RestrictionJudge>, std::string> RestrictionJudge::make(
    PolicyOptions options, Services services,
    const std::function<std::string(const std::string&)>& class_text) {
    std::unique_ptr<RestrictionJudge> out(new RestrictionJudge(std::move(options), services));
    const PolicyOptions& o = out->options_;
    auto networks = routing::NetworkList::make(o.my_networks, services.factory, services.files);
    if (!networks) return std::unexpected("mynetworks: " + networks.error());
    out->my_networks_ = std::move(*networks);
    TRY_ASSIGN(out->sender_logins_, SenderLogins::make(o, services.factory, services.directory));
    auto certificates = services.factory.open_list(o.relay_client_certificates);
    if (!certificates) return std::unexpected("relay_clientcerts: " + certificates.error().text);
    out->relay_client_certificates_ = std::move(*certificates);
    for (const auto& name : o.restriction_classes) {
        TRY_ASSIGN(auto program, compile(name, class_text(name), services.factory, o));
        out->classes_.emplace(name, std::move(program));
    }
    const auto build = [&](std::string_view name, const std::string& text) {
        return compile(name, text, services.factory, o);
    };
    TRY_ASSIGN(out->client_, build("smtpd_client_restrictions", o.client));
    TRY_ASSIGN(out->helo_, build("smtpd_helo_restrictions", o.helo));
    TRY_ASSIGN(out->sender_, build("smtpd_sender_restrictions", o.sender));
    TRY_ASSIGN(out->relay_, build("smtpd_relay_restrictions", o.relay));
    TRY_ASSIGN(out->recipient_, build("smtpd_recipient_restrictions", o.recipient));
    TRY_ASSIGN(out->data_, build("smtpd_data_restrictions", o.data));
    TRY_ASSIGN(out->end_of_data_, build("smtpd_end_of_data_restrictions", o.end_of_data));
    TRY_ASSIGN(out->etrn_, build("smtpd_etrn_restrictions", o.etrn));
    TRY_ASSIGN(out->unlisted_recipient_,
               build("smtpd_reject_unlisted_recipient", "reject_unlisted_recipient"));
    TRY_ASSIGN(out->unlisted_sender_, build("smtpd_reject_unlisted_sender", "reject_unlisted_sender"));
    const bool safe = stops_relaying(*out->relay_) || stops_relaying(*out->recipient_);
    if (!safe)
        return std::unexpected(
            "this would be an open relay: in smtpd_relay_restrictions or smtpd_recipient_restrictions, "
            "specify at least one working instance of: "
            "reject_unauth_destination, defer_unauth_destination, reject, defer, defer_if_permit");
    return out;
}

void RestrictionJudge::report(Stage stage, const Facts& facts, const Notice& notice) const {
    if (notice.action.empty()) {
        events_.note(base::Severity::Warning, service_, notice.text);
        return;
    }
    base::Rejected event;
    event.service = service_;
    event.queue_id = facts.queue_id;
    event.stage = to_text(stage);
    event.name = facts.client_name;
    event.address = facts.client.address.text();
    event.reply = notice.text;
    event.sender = facts.sender_text;
    event.recipient = facts.recipient_text;
    event.protocol = facts.helo.empty() ? "" : facts.protocol;
    event.helo = facts.helo;
    event.sasl_username = facts.sasl_username;
    event.action = notice.action;
    events_.emit(std::move(event));
}

RestrictionJudge::Parts RestrictionJudge::parts_of(Stage stage) const {
    Parts parts;
    const auto add = [&](const std::shared_ptr<const Program>& program, Stage own) {
        if (!program->steps.empty()) parts.list[parts.count++] = {program.get(), own};
    };
    const bool late = options_.delay_reject;
    switch (stage) {
        case Stage::Connect:
            if (!late) add(client_, Stage::Connect);
            break;
        case Stage::Helo:
            if (!late) add(helo_, Stage::Helo);
            break;
        case Stage::Mail:
            if (!late) add(sender_, Stage::Mail);
            break;
        case Stage::Rcpt:
            if (late) {
                add(client_, Stage::Connect);
                add(helo_, Stage::Helo);
                add(sender_, Stage::Mail);
            }
            if (options_.relay_before_recipient) add(relay_, Stage::Rcpt);
            add(recipient_, Stage::Rcpt);
            if (!options_.relay_before_recipient) add(relay_, Stage::Rcpt);
            if (options_.reject_unlisted_sender) add(unlisted_sender_, Stage::Mail);
            if (options_.reject_unlisted_recipient) add(unlisted_recipient_, Stage::Rcpt);
            break;
        case Stage::Data:
            add(data_, Stage::Data);
            break;
        case Stage::EndOfData:
            add(end_of_data_, Stage::EndOfData);
            break;
        case Stage::Etrn:
            if (late) {
                add(client_, Stage::Connect);
                add(helo_, Stage::Helo);
            }
            add(etrn_, Stage::Etrn);
            break;
        default:
            break;
    }
    return parts;
}

bool RestrictionJudge::asks(Stage stage) const { return parts_of(stage).count > 0; }

env::Task<Verdict> RestrictionJudge::judge(Stage stage, const Facts& facts) {
    Verdict verdict;
    std::vector<Notice> notes;
    const Parts parts = parts_of(stage);
    for (const auto& part : std::span(parts.list).first(parts.count)) {
        Context context{options_,  my_networks_, directory_, *sender_logins_, relay_client_certificates_,
                        resolver_, part.stage,   facts,      verdict.effects, notes,
                        classes_};
        context.asked = stage;
        context.network = network_;
        context.loop = loop_;
        Outcome outcome = co_await evaluate(context, *part.program);
        if (outcome.kind == Outcome::Kind::Refuse && context.defer_if_reject && outcome.reply.code >= 500)
            outcome.reply = *context.defer_if_reject;
        if (outcome.kind != Outcome::Kind::Refuse && context.defer_if_permit) {
            outcome.kind = Outcome::Kind::Refuse;
            outcome.reply = *context.defer_if_permit;
        }
        if (outcome.kind != Outcome::Kind::Refuse) continue;
        const bool closes = outcome.reply.code == 421 || outcome.reply.code == 521;
        verdict.kind = closes ? Verdict::Kind::RefuseAndClose : Verdict::Kind::Refuse;
        verdict.reply = std::move(outcome.reply);
        break;
    }
    for (const auto& notice : notes) report(stage, facts, notice);
    co_return verdict;
}

}  // namespace policy
