// SMTP commands as values (RFC 5321 §4.1, extensions: 1870 SIZE, 6152 BODY, 3461 DSN, 6531 SMTPUTF8, 3030
// BDAT, 4954 AUTH). Pure parsing; what is legal when is the session's business.
#pragma once

#include "mail/envelope.hpp"
#include "mail/status.hpp"

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace smtp {

enum class Verb {
    Helo,
    Ehlo,
    Mail,
    Rcpt,
    Data,
    Bdat,
    Rset,
    Noop,
    Quit,
    Vrfy,
    Expn,
    Help,
    Etrn,
    StartTls,
    Auth,
    Xclient,
    Xforward,
    Unknown
};

struct CommandLine {
    Verb verb = Verb::Unknown;
    std::string_view word;      // as sent
    std::string_view argument;  // behind the word, trimmed of spaces
};
CommandLine parse_command_line(std::string_view line);
std::string_view to_text(Verb verb);  // lower case, for counts: "mail"

/// What MAIL FROM and RCPT TO may carry; a refusal is the reply to send.
struct GrammarOptions {
    bool strict = false;   // strict_rfc821_envelopes
    bool smtputf8 = true;  // offered
    bool dsn = true;
    bool size = true;
    bool eight_bit = true;
    bool chunking = true;
    bool auth = false;
};

struct MailCommand {
    mail::ReversePath path;
    std::string path_text;  // as given, without brackets
    std::uint64_t size = 0;
    mail::BodyType body = mail::BodyType::SevenBit;
    bool smtputf8 = false;
    mail::DsnReturn dsn_return = mail::DsnReturn::Unspecified;
    std::string envelope_id;
    std::string auth_sender;
};
std::expected<MailCommand, mail::ReplyText> parse_mail(std::string_view argument,
                                                       const GrammarOptions& options);

struct RcptCommand {
    mail::Address address;
    std::string path_text;
    std::string original;  // ORCPT: "rfc822;ann@example.org"
    mail::Notify notify = mail::Notify::Default;
};
/// `utf8`: the transaction was opened with SMTPUTF8.
std::expected<RcptCommand, mail::ReplyText> parse_rcpt(std::string_view argument,
                                                       const GrammarOptions& options, bool utf8);

struct BdatCommand {
    std::uint64_t size = 0;
    bool last = false;
};
std::optional<BdatCommand> parse_bdat(std::string_view argument);

/// EHLO/HELO argument: no control characters, at most 255 octets. Domains and literals are judged by
/// restrictions.
bool is_helo_argument(std::string_view argument);
/// The domain or address literal whose mail is asked for (RFC 1985 section 5.1); "@" and "#" before it are
/// dropped. nullopt: neither.
std::optional<std::string> parse_etrn(std::string_view argument);

}  // namespace smtp
