#include "smtp/server_session.hpp"

#include "base/text.hpp"
#include "smtp/reply_lines.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace smtp {

mail::ReplyText ServerSession::need(std::string_view what) {
    return {503, {5, 5, 1}, fmt::format("Error: {}", what)};
}

ServerSession::ServerSession(std::shared_ptr<const ServerOptions> options, TlsOffer tls)
    : options_(std::move(options)), tls_(tls) {}

void ServerSession::count(Verb verb, bool success) {
    auto& tried = attempts_[static_cast<std::size_t>(verb)];
    if (tried < UINT16_MAX) ++tried;
    if (auto& good = successes_[static_cast<std::size_t>(verb)]; success && good < UINT16_MAX) ++good;
}

std::string ServerSession::counts() const {
    std::string out;
    std::uint32_t tried = 0, good = 0;
    const auto one = [](std::string_view name, std::uint32_t g, std::uint32_t t) {
        return g == t ? fmt::format("{}={}", name, g) : fmt::format("{}={}/{}", name, g, t);
    };
    for (std::size_t i = 0; i < attempts_.size(); ++i) {
        if (attempts_[i] == 0) continue;
        out += one(to_text(static_cast<Verb>(i)), successes_[i], attempts_[i]) + " ";
        tried += attempts_[i];
        good += successes_[i];
    }
    return out + one("commands", good, tried);
}

Step ServerSession::reply(const mail::ReplyText& text, Step::Next next) {
    Step out;
    out.output = reply_lines(text);
    out.next = next;
    return limited(std::move(out));
}

/// A client that errs without delivering mail: all its replies come late, then it is sent away.
Step ServerSession::limited(Step out) const {
    if (errors_before_ >= options_->soft_error_limit) out.delay = options_->error_sleep_time;
    if (errors_ < options_->hard_error_limit || out.next == Step::Next::Close) return out;
    out.output += fmt::format("421 4.7.0 {} Error: too many errors\r\n", options_->host_name);
    out.next = Step::Next::Close;
    out.closed_because = "too many errors";
    return out;
}

Step ServerSession::ok(int code, mail::Status status, std::string text) {
    count(verb_, true);
    return reply({code, status, std::move(text)});
}

Step ServerSession::refuse(mail::ReplyText text) {
    count(verb_, false);
    if (options_->soft_bounce && text.code >= 500) {
        text.code -= 100;
        if (text.status.class_ == 5) text.status.class_ = 4;
    }
    ++errors_;
    const bool closes = text.code == 421 || text.code == 521;
    return reply(text, closes ? Step::Next::Close : Step::Next::Read);
}

Step ServerSession::judge(Stage stage) {
    stage_ = stage;
    Step out;
    out.next = Step::Next::Judge;
    out.stage = stage;
    return out;
}

void ServerSession::reset_transaction() {
    envelope_ = {};
    sender_text_ = {};
    pending_mail_.reset();
    pending_recipient_.reset();
    xforward_.reset();
    chunking_ = chunk_last_ = chunk_refused_ = judged_data_ = false;
    received_octets_ = 0;
    overshoot_ = 0;
    if (state_ != State::Start) state_ = State::Greeted;
}

mail::Envelope ServerSession::take_envelope() { return std::move(envelope_); }

Step ServerSession::greet(const Judged& judged) {
    if (judged.kind == Judged::Kind::RefuseAndClose) return reply(judged.reply, Step::Next::Close);
    if (judged.kind == Judged::Kind::Refuse) return reply(judged.reply, Step::Next::Close);
    Step out;
    out.output = fmt::format("220 {}\r\n", options_->banner);
    return out;
}

Step ServerSession::close_with(int code, std::string_view text) {
    Step out;
    out.output =
        fmt::format("{} {} {} {}\r\n", code, code == 421 ? "4.4.2" : "5.5.0", options_->host_name, text);
    out.next = Step::Next::Close;
    return out;
}

Step ServerSession::on_line_too_long() {
    if (mechanism_) return end_auth({500, {5, 5, 6}, "Error: response too long"});  // RFC 4954 §4
    verb_ = Verb::Unknown;
    return refuse({500, {5, 5, 2}, "Error: line too long"});
}

Step ServerSession::on_line(std::string_view line, bool more, bool bare_newline) {
    errors_before_ = errors_;
    if (mechanism_) return on_auth_line(line);
    const CommandLine command = parse_command_line(line);
    const auto line_max = command.verb == Verb::Auth
                              ? std::max(options_->line_length_limit, options_->auth_response_limit)
                              : options_->line_length_limit;
    if (line.size() > line_max) return on_line_too_long();
    verb_ = command.verb;
    if (bare_newline && options_->bare_newline == BareNewline::Reject && !bare_newline_allowed_) {
        Step out = refuse(
            {static_cast<int>(options_->bare_newline_reject_code), {5, 5, 2}, "Error: bare <LF> received"});
        out.next = Step::Next::Close;
        out.closed_because = "bare <LF>";
        return out;
    }
    if (line.find('\0') != std::string_view::npos)
        return refuse({500, {5, 5, 2}, "Error: NUL octet received"});
    if (command.word.empty()) return refuse({500, {5, 5, 2}, "Error: bad syntax"});
    last_command_ = command.verb == Verb::Unknown ? "UNKNOWN" : base::upper(command.word);
    const bool must_be_last = command.verb == Verb::Helo || command.verb == Verb::Ehlo ||
                              command.verb == Verb::Data || command.verb == Verb::StartTls ||
                              command.verb == Verb::Auth;
    if (must_be_last && more && !(command.verb == Verb::Data && state_ != State::Rcpt)) {
        pipelined_early_ = true;
        if (options_->forbid_unauth_pipelining) {
            Step out = refuse({554, {5, 5, 0}, "Error: SMTP protocol synchronization"});
            out.next = Step::Next::Close;
            out.closed_because = "improper command pipelining";
            return out;
        }
    }
    return dispatch(command);
}

Step ServerSession::dispatch(const CommandLine& command) {
    const Verb verb = command.verb;
    const bool before_tls = verb == Verb::Helo || verb == Verb::Ehlo || verb == Verb::Noop ||
                            verb == Verb::Quit || verb == Verb::StartTls ||
                            (verb == Verb::Auth && auth_offer_ && auth_offer_->any());  // 538 says more
    if (tls_ == TlsOffer::Required && !encrypted_ && !before_tls && verb != Verb::Unknown)
        return refuse({530, {5, 7, 0}, "Must issue a STARTTLS command first"});
    const bool not_between_chunks = verb == Verb::Mail || verb == Verb::Rcpt || verb == Verb::Data ||
                                    verb == Verb::StartTls || verb == Verb::Auth || verb == Verb::Xclient;
    if (chunking_ && not_between_chunks) return refuse(need("MAIL transaction in progress"));
    const bool junk = verb == Verb::Rset || verb == Verb::Noop || verb == Verb::Vrfy || verb == Verb::Etrn;
    if (junk && ++junk_ > options_->junk_command_limit) ++errors_;
    switch (verb) {
        case Verb::Helo:
        case Verb::Ehlo:
            return helo(command);
        case Verb::Mail:
            return mail_from(command.argument);
        case Verb::Rcpt:
            return rcpt_to(command.argument);
        case Verb::Data:
            return data(command.argument);
        case Verb::Bdat:
            return bdat(command.argument);
        case Verb::Rset:
            if (!command.argument.empty()) return refuse({501, {5, 5, 4}, "Syntax: RSET"});
            reset_transaction();
            return ok(250, {2, 0, 0}, "Ok");
        case Verb::Noop:
            return ok(250, {2, 0, 0}, "Ok");
        case Verb::Quit: {
            Step out = ok(221, {2, 0, 0}, "Bye");
            out.next = Step::Next::Close;
            return out;
        }
        case Verb::Vrfy:
            return vrfy(command.argument);
        case Verb::Help:
            return ok(214, {2, 0, 0},
                      "See RFC 5321: HELO EHLO MAIL RCPT DATA BDAT RSET NOOP QUIT VRFY ETRN STARTTLS");
        case Verb::StartTls:
            return start_tls(command.argument);
        case Verb::Auth:
            return auth(command.argument);
        case Verb::Xclient:
            return take_xclient(command.argument);
        case Verb::Xforward:
            return take_xforward(command.argument);
        case Verb::Etrn:
            return etrn(command.argument);
        case Verb::Expn:
            return refuse({502, {5, 5, 1}, "Error: command not implemented"});
        case Verb::Unknown:
            break;
    }
    const auto named = [&](const std::vector<std::string>& list) {
        return std::ranges::any_of(list, [&](const auto& word) { return base::iequals(word, command.word); });
    };
    if (named(options_->noop_commands)) return ok(250, {2, 0, 0}, "Ok");
    // "regexp:{{/^[^A-Z]/ …}}" of the default: a command begins with a letter, or this is no mail client.
    // A header field where a command should be: some other program's data.
    const bool field = command.word.find(':') != std::string::npos || command.argument.starts_with(':');
    if (named(options_->forbidden_commands) || !base::is_alpha(command.word.front()) || field) {
        count(verb, false);
        offending_line_ = base::printable(fmt::format("{} {}", command.word, command.argument), 100);
        Step out = reply({221, {2, 7, 0}, "Error: I can break rules, too. Goodbye."}, Step::Next::Close);
        out.closed_because = "non-SMTP command";
        return out;
    }
    return refuse({500, {5, 5, 2}, "Error: command not recognized"});
}

Step ServerSession::helo(const CommandLine& command) {
    const bool extended = command.verb == Verb::Ehlo;
    if (!is_helo_argument(command.argument))
        return refuse({501, {0, 0, 0}, extended ? "Syntax: EHLO hostname" : "Syntax: HELO hostname"});
    pending_helo_ = command.argument;
    esmtp_ = extended;
    helo_ = pending_helo_;
    return judge(Stage::Helo);
}

bool ServerSession::offers(std::string_view keyword) const {
    return std::ranges::none_of(
        discarded_keywords_ ? *discarded_keywords_ : options_->discarded_ehlo_keywords,
        [&](const auto& word) { return base::iequals(word, keyword); });
}

Step ServerSession::ehlo_reply() const {
    std::string lines = options_->host_name;
    std::vector<std::string> keywords = {"PIPELINING", fmt::format("SIZE {}", options_->message_size_limit)};
    if (!options_->disable_vrfy) keywords.emplace_back("VRFY");
    keywords.emplace_back("ETRN");
    if (tls_ != TlsOffer::No && !encrypted_) keywords.emplace_back("STARTTLS");
    keywords.insert(keywords.end(), {"ENHANCEDSTATUSCODES", "8BITMIME", "DSN"});
    if (options_->smtputf8) keywords.emplace_back("SMTPUTF8");
    keywords.emplace_back("CHUNKING");
    if (offers("CHUNKING")) keywords.emplace_back("BINARYMIME");
    if (const auto names = mechanisms(); !names.empty() && user_.empty()) {
        std::string list;
        for (const auto& name : names) list += " " + name;
        keywords.push_back("AUTH" + list);
        if (auth_offer_->old_clients) keywords.push_back("AUTH=" + list.substr(1));
    }
    if (xclient_allowed_) keywords.emplace_back(xclient_keyword);
    if (xforward_allowed_) keywords.emplace_back(xforward_keyword);
    keywords.push_back(fmt::format("LIMITS RCPTMAX={}", options_->recipient_limit));
    std::erase_if(keywords,
                  [&](const std::string& k) { return !offers(std::string_view(k).substr(0, k.find(' '))); });
    Step out;
    out.output = fmt::format("250{}{}\r\n", keywords.empty() ? ' ' : '-', lines);
    for (std::size_t i = 0; i < keywords.size(); ++i)
        out.output += fmt::format("250{}{}\r\n", i + 1 < keywords.size() ? '-' : ' ', keywords[i]);
    return out;
}

GrammarOptions ServerSession::grammar() const {
    GrammarOptions out;
    out.strict = options_->strict_envelopes;
    out.smtputf8 = esmtp_ && options_->smtputf8 && offers("SMTPUTF8");
    out.dsn = esmtp_ && offers("DSN");
    out.size = esmtp_ && offers("SIZE");
    out.eight_bit = esmtp_ && offers("8BITMIME");
    out.chunking = esmtp_ && offers("CHUNKING");
    out.auth = esmtp_ && auth_offer_ && auth_offer_->any();
    return out;
}

Step ServerSession::mail_from(std::string_view argument) {
    if (state_ == State::Start && options_->helo_required) return refuse(need("send HELO/EHLO first"));
    if (state_ == State::Mail || state_ == State::Rcpt || state_ == State::Content)
        return refuse(need("nested MAIL command"));
    auto command = parse_mail(argument, grammar());
    if (!command) return refuse(command.error());
    if (options_->message_size_limit > 0 && command->size > options_->message_size_limit)
        return refuse({552, {5, 3, 4}, "Message size exceeds fixed limit"});
    pending_mail_ = std::move(*command);
    envelope_ = {};
    envelope_.sender = pending_mail_->path;
    envelope_.body = pending_mail_->body;
    envelope_.smtputf8 = pending_mail_->smtputf8;
    envelope_.dsn_return = pending_mail_->dsn_return;
    envelope_.dsn_envelope_id = pending_mail_->envelope_id;
    envelope_.declared_size = pending_mail_->size;
    envelope_.origin.sasl_sender = pending_mail_->auth_sender;
    sender_text_ = pending_mail_->path_text;
    pending_mail_.reset();
    return judge(Stage::Mail);
}

Step ServerSession::rcpt_to(std::string_view argument) {
    if (state_ != State::Mail && state_ != State::Rcpt) return refuse(need("need MAIL command"));
    auto command = parse_rcpt(argument, grammar(), envelope_.smtputf8);
    if (!command) return refuse(command.error());
    if (envelope_.recipients.size() >= options_->recipient_limit) {
        // RFC 5321 §4.5.3.1.10: 452; only a client that goes on and on is in error.
        if (++overshoot_ <= options_->recipient_overshoot_limit) --errors_;
        return refuse({452, {4, 5, 3}, "Error: too many recipients"});
    }
    pending_recipient_ = std::move(*command);
    return judge(Stage::Rcpt);
}

Step ServerSession::accepted_recipient() {
    mail::Recipient recipient;
    recipient.address = pending_recipient_->address;
    recipient.original = pending_recipient_->address;
    recipient.dsn_original = std::move(pending_recipient_->original);
    recipient.notify = pending_recipient_->notify;
    envelope_.recipients.push_back(std::move(recipient));
    pending_recipient_.reset();
    state_ = State::Rcpt;
    return ok(250, {2, 1, 5}, "Ok");
}

Step ServerSession::vrfy(std::string_view argument) {
    if (options_->disable_vrfy) return refuse({502, {5, 5, 1}, "VRFY command is disabled"});
    if (argument.empty() || argument.size() > options_->line_length_limit)
        return refuse({501, {5, 5, 4}, "Syntax: VRFY address [SMTPUTF8]"});
    const auto words = base::split_any(argument, " \t");
    const bool utf8 = words.size() == 2 && options_->smtputf8 && base::iequals(words[1], "SMTPUTF8");
    if (words.size() > 1 && !utf8) return refuse({501, {5, 1, 3}, "Bad recipient address syntax"});
    argument = words[0];
    if (!base::is_ascii(argument) && !utf8)
        return refuse({553, {5, 6, 7}, "Error: the address is international and SMTPUTF8 was not asked for"});
    // Whether the mailbox exists is not told: that would be a directory for spammers (RFC 5321 §7.3).
    return ok(252, {2, 0, 0}, base::printable(argument, 300));
}

// RFC 1985, in Postfix's words: its replies have no enhanced status codes.
Step ServerSession::etrn(std::string_view argument) {
    if (state_ == State::Start && options_->helo_required)
        return refuse({503, {0, 0, 0}, "Error: send HELO/EHLO first"});
    if (in_transaction()) return refuse({503, {0, 0, 0}, "Error: MAIL transaction in progress"});
    if (base::split_any(argument, " \t").size() != 1) return refuse({500, {0, 0, 0}, "Syntax: ETRN domain"});
    auto domain = parse_etrn(argument);
    if (!domain) return refuse({501, {0, 0, 0}, "Error: invalid parameter syntax"});
    etrn_domain_ = std::move(*domain);
    return judge(Stage::Etrn);
}

Step ServerSession::on_site_flushed(SiteFlush outcome) {
    const std::string domain = std::exchange(etrn_domain_, {});
    switch (outcome) {
        case SiteFlush::Started:
            return ok(250, {0, 0, 0}, "Queuing started");
        case SiteFlush::NotServed:
            return refuse({459, {0, 0, 0}, fmt::format("<{}>: service unavailable", domain)});
        case SiteFlush::Failed:
            break;
    }
    return refuse({458, {0, 0, 0}, "Unable to queue messages"});
}

Step ServerSession::start_tls(std::string_view argument) {
    if (!argument.empty()) return refuse({501, {5, 5, 4}, "Syntax: STARTTLS"});
    if (encrypted_) return refuse({554, {5, 5, 1}, "Error: TLS already active"});
    if (tls_ == TlsOffer::No) return refuse({502, {5, 5, 1}, "Error: command not implemented"});
    if (state_ == State::Mail || state_ == State::Rcpt) return refuse(need("MAIL transaction in progress"));
    Step out = ok(220, {2, 0, 0}, "Ready to start TLS");
    out.next = Step::Next::StartTls;
    return out;
}

Step ServerSession::take_xclient(std::string_view argument) {
    if (!xclient_allowed_) return refuse({550, {5, 7, 0}, "Error: insufficient authorization"});
    if (in_transaction()) return refuse(need("MAIL transaction in progress"));
    auto said = parse_xclient(argument);
    if (!said) return refuse(said.error());
    xclient_ = std::move(*said);
    count(verb_, true);
    // As at the start of a connection: greeting, HELO and all that follows come anew.
    state_ = State::Start;
    reset_transaction();
    if (xclient_.login) log_in_as(*xclient_.login);
    helo_ = xclient_.helo.value_or("");
    esmtp_ = xclient_.esmtp.value_or(false);
    Step out;
    out.next = Step::Next::Xclient;
    return out;
}

Step ServerSession::take_xforward(std::string_view argument) {
    if (!xforward_allowed_) return refuse({550, {5, 7, 0}, "Error: insufficient authorization"});
    if (in_transaction()) return refuse(need("MAIL transaction in progress"));
    if (!xforward_) xforward_ = std::make_unique<Xforward>();
    const auto taken = parse_xforward(argument, *xforward_);
    if (!taken) return refuse(taken.error());
    return ok(250, {2, 0, 0}, "Ok");
}

Step ServerSession::on_tls(sasl::ChannelBindings bindings) {
    encrypted_ = true;
    bindings_ = std::move(bindings);
    state_ = State::Start;
    reset_transaction();
    helo_.clear();
    esmtp_ = false;
    log_in_as({});
    return {};
}

Step ServerSession::on_verdict(const Judged& judged) {
    if (judged.kind != Judged::Kind::Accept) {
        if (stage_ == Stage::Helo) helo_.clear();
        if (stage_ == Stage::Mail) {
            envelope_ = {};
            sender_text_.clear();
        }
        if (stage_ == Stage::Rcpt) pending_recipient_.reset();
        if (stage_ == Stage::Etrn) etrn_domain_.clear();
        if (stage_ == Stage::Data && verb_ == Verb::Bdat && judged.kind == Judged::Kind::Refuse) {
            content_refusal_ = judged.reply;
            chunk_refused_ = true;
            Step out;
            out.next = Step::Next::SkipChunk;
            out.chunk_octets = chunk_octets_;
            return out;
        }
        if (stage_ == Stage::EndOfData) reset_transaction();
        Step out = refuse(judged.reply);
        if (judged.kind == Judged::Kind::RefuseAndClose) out.next = Step::Next::Close;
        return out;
    }
    switch (stage_) {
        case Stage::Helo: {
            state_ = State::Greeted;
            reset_transaction();
            if (esmtp_) {
                count(verb_, true);
                return limited(ehlo_reply());
            }
            count(verb_, true);
            return reply({250, {0, 0, 0}, options_->host_name});
        }
        case Stage::Mail:
            state_ = State::Mail;
            return ok(250, {2, 1, 0}, "Ok");
        case Stage::Rcpt:
            return accepted_recipient();
        case Stage::Data: {
            judged_data_ = true;
            Step out;
            out.next = Step::Next::Begin;
            return out;
        }
        case Stage::EndOfData: {
            Step out;
            out.next = Step::Next::Commit;
            return out;
        }
        case Stage::Etrn: {
            Step out;
            out.next = Step::Next::FlushSite;
            return out;
        }
        default:
            return ok(250, {2, 0, 0}, "Ok");
    }
}

}  // namespace smtp
