// What the postmaster may want to hear of one SMTP session: what was said, and what kind of trouble there was
// (notify_classes). One for a connection whose service reports any; belongs to it.
#pragma once

#include "mail/error_class.hpp"
#include "queue/session_report.hpp"
#include "smtp/transcript.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace server {

class SessionRecord {
 public:
    enum class During { Commands, Content };
    explicit SessionRecord(std::string notice_sender) : notice_sender_(std::move(notice_sender)) {}
    void command(std::string_view line, smtp::Transcript::Meaning meaning);
    void replies(std::string_view lines, During during);
    /// A message is ours.
    void message_done();
    mail::ErrorClasses errors() const { return errors_; }
    std::string text() const { return transcript_.text(); }

 private:
    /// The transaction is about a notice of somebody's: no notices about those.
    bool about_notice() const;
    std::string notice_sender_;
    smtp::Transcript transcript_{smtp::Transcript::Side::Server};
    mail::ErrorClasses errors_;
    std::string mail_command_;  // of the transaction
};

/// What a reply of ours says went wrong; nullopt: nothing the postmaster hears of (a wrong password, a
/// time-out).
std::optional<mail::ErrorClass> error_class(std::string_view reply, SessionRecord::During during);

}  // namespace server
