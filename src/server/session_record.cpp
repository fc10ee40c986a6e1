#include "server/session_record.hpp"

#include "base/text.hpp"
#include "mail/status.hpp"
#include "smtp/command.hpp"

namespace server {

std::optional<mail::ErrorClass> error_class(std::string_view reply, SessionRecord::During during) {
    using mail::ErrorClass;
    const auto code = base::parse_number(reply.substr(0, 3)).value_or(0);
    if (code < 400) return std::nullopt;
    const auto status = mail::Status::parse_prefix(reply.substr(std::min<std::size_t>(4, reply.size())))
                            .value_or(mail::Status{});
    const auto is = [&](int subject, int detail) {
        return status.subject == subject && status.detail == detail;
    };
    const bool login = code == 535 || code == 432 || code == 538 || (code == 454 && is(7, 0));
    if (login || is(3, 2) || is(4, 2)) return std::nullopt;
    const bool content = during == SessionRecord::During::Content;
    if (is(3, 1)) return ErrorClass::Resource;
    if (is(3, 0)) return content ? ErrorClass::Resource : ErrorClass::Data;
    if (is(3, 5)) return ErrorClass::Software;
    if (code / 10 == 50 || code == 555 || status.subject == 5) return ErrorClass::Protocol;
    if (is(1, 0) || is(1, 1)) return ErrorClass::Bounce;               // no such user
    if (content && (is(3, 4) || is(4, 6))) return ErrorClass::Bounce;  // too big, too many hops
    return ErrorClass::Policy;
}

void SessionRecord::command(std::string_view line, smtp::Transcript::Meaning meaning) {
    transcript_.commands(line, meaning);
    if (meaning == smtp::Transcript::Meaning::Secret) return;
    // Parsed only when there is something to tell.
    const auto is = [verb = base::trim(line).substr(0, 4)](std::string_view name) {
        return base::iequals(verb, name);
    };
    if (is("MAIL"))
        mail_command_ = line;
    else if (is("RSET") || is("EHLO") || is("HELO"))
        mail_command_.clear();
}

bool SessionRecord::about_notice() const {
    if (mail_command_.empty()) return false;
    const auto mail = smtp::parse_mail(smtp::parse_command_line(mail_command_).argument, {});
    return mail && queue::is_notice(mail->path, notice_sender_);
}

void SessionRecord::replies(std::string_view lines, During during) {
    if (lines.empty()) return;
    transcript_.replies(lines);
    // The last line says it all; a reply of several lines has one code.
    std::string_view last = lines;
    if (last.ends_with("\r\n")) last.remove_suffix(2);
    if (const auto newline = last.rfind('\n'); newline != std::string_view::npos)
        last.remove_prefix(newline + 1);
    const auto kind = error_class(last, during);
    if (kind && !about_notice()) errors_.add(*kind);
}

void SessionRecord::message_done() {
    mail_command_.clear();
    if (errors_.empty()) transcript_.forget();
}

}  // namespace server
