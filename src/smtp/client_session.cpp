#include "smtp/client_session.hpp"

#include "base/base64.hpp"
#include "base/text.hpp"
#include "mail/xtext.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace smtp {
namespace {

using Next = ClientStep::Next;

constexpr std::size_t commands_in_flight_max = 100;  // so that neither side's buffers fill (RFC 2920 §3.1)
constexpr std::size_t auth_line_octets_max =
    510;  // an initial response must fit a command line (RFC 4954 §4)

}  // namespace

std::string_view to_text(Wait wait) {
    switch (wait) {
        case Wait::Greeting:
            return "receiving the initial server greeting";
        case Wait::Ehlo:
            return "performing the EHLO handshake";
        case Wait::StartTls:
            return "performing the STARTTLS handshake";
        case Wait::Auth:
            return "performing SASL authentication";
        case Wait::Xforward:
            return "sending XFORWARD";
        case Wait::Mail:
            return "sending MAIL FROM";
        case Wait::Rcpt:
            return "sending RCPT TO";
        case Wait::Data:
            return "sending DATA command";
        case Wait::Content:
            return "sending message body";
        case Wait::EndOfData:
            return "sending end of data -- message may be sent more than once";
        case Wait::Rset:
            return "sending RSET";
        case Wait::Quit:
            return "sending QUIT";
    }
    return "";
}

ClientStep ClientSession::ask(State state, Wait wait, std::string output) {
    state_ = state;
    wait_ = wait;
    ClientStep out;
    out.output = std::move(output);
    out.wait = wait;
    return out;
}

ClientStep ClientSession::fail(mail::Status status, std::string text, bool tls) {
    trouble_ = {status, std::move(text), tls, false, false};
    reusable_ = false;
    ClientStep out;
    out.next = Next::Failed;
    return out;
}

ClientStep ClientSession::start() { return ask(State::Greeting, Wait::Greeting, ""); }

ClientStep ClientSession::introduce() {
    const bool lmtp = settings_.protocol == ClientSettings::Protocol::Lmtp;
    return ask(State::Ehlo, Wait::Ehlo,
               fmt::format("{} {}\r\n", lmtp ? "LHLO" : "EHLO", settings_.helo_name));
}

bool ClientSession::begins_with_ehlo(const Reply& greeting) const {
    if (settings_.protocol == ClientSettings::Protocol::Lmtp) return true;
    if (settings_.ehlo == ClientSettings::Ehlo::WhereGreeted)
        return greeting.text().find("ESMTP") != std::string::npos;
    return settings_.ehlo == ClientSettings::Ehlo::Always;
}

ClientStep ClientSession::say_helo() {
    return ask(State::Helo, Wait::Ehlo, fmt::format("HELO {}\r\n", settings_.helo_name));
}

ClientStep ClientSession::on_reply(const Reply& reply) {
    switch (state_) {
        case State::Greeting:
            if (reply.code / 100 != 2) {
                const bool for_good = reply.permanent() && !settings_.refused_greeting_is_temporary;
                return fail(for_good ? reply.status() : mail::Status{4, 0, 0},
                            fmt::format("host {} refused to talk to me: {}", settings_.host, reply.text()));
            }
            return begins_with_ehlo(reply) ? introduce() : say_helo();
        case State::Ehlo:
            if (reply.positive()) return on_ehlo(reply);
            if (settings_.protocol == ClientSettings::Protocol::Lmtp || reply.code == 421)
                return fail({4, 0, 0},
                            fmt::format("host {} refused to talk to me: {}", settings_.host, reply.text()));
            return say_helo();
        case State::Helo:
            if (!reply.positive())
                return fail({4, 0, 0},
                            fmt::format("host {} refused to talk to me: {}", settings_.host, reply.text()));
            offer_ = {};
            return introduced();
        case State::StartTls: {
            if (!reply.positive()) {
                if (settings_.tls == ClientSettings::Tls::Must)
                    return fail({4, 7, 4},
                                fmt::format("TLS is required, but host {} refused to start TLS: {}",
                                            settings_.host, reply.text()),
                                true);
                offer_.start_tls = false;
                return introduced();
            }
            ClientStep out;
            out.next = Next::StartTls;
            return out;
        }
        case State::Auth:
            return on_auth(reply);
        case State::Envelope:
            return on_envelope(reply);
        case State::Content:
            return on_end_of_data(reply);
        case State::Rset:
            reusable_ = reply.positive();
            return finished();
        case State::Quit: {
            ClientStep out;
            out.next = Next::Closed;
            return out;
        }
        case State::Ready:
            break;
    }
    ClientStep out =
        fail({4, 5, 0}, fmt::format("host {} spoke out of turn: {}", settings_.host, reply.text()));
    trouble_.protocol = true;
    return out;
}

ClientStep ClientSession::on_ehlo(const Reply& reply) {
    offer_ = read_offer(reply, settings_.discarded_keywords);
    return introduced();
}

/// EHLO or HELO is done: TLS, then AUTH, then ready.
ClientStep ClientSession::introduced() {
    if (!settings_.encrypted && settings_.tls != ClientSettings::Tls::Never) {
        if (offer_.start_tls) return ask(State::StartTls, Wait::StartTls, "STARTTLS\r\n");
        if (settings_.tls == ClientSettings::Tls::Must)
            return fail({4, 7, 4},
                        fmt::format("TLS is required, but was not offered by host {}", settings_.host), true);
    }
    if (settings_.credentials && !authenticated_) {
        if (!offer_.mechanisms.empty()) return authenticate();
        credentials_unused_ = true;
    }
    state_ = State::Ready;
    reusable_ = true;
    ClientStep out;
    out.next = Next::Ready;
    return out;
}

ClientStep ClientSession::on_tls() {
    settings_.encrypted = true;  // and what was said in clear is forgotten (RFC 3207 §4.2)
    return introduce();
}

ClientStep ClientSession::authenticate() {
    const bool plaintext = settings_.encrypted || settings_.plaintext_in_clear;
    sasl::MechanismRules rules{plaintext,      settings_.mechanisms, settings_.nonce, settings_.server_name,
                               settings_.port, settings_.bindings};
    mechanism_ = sasl::choose(offer_.mechanisms, *settings_.credentials, rules);
    if (!mechanism_) {
        std::string offered;
        for (const auto& name : offer_.mechanisms) offered += (offered.empty() ? "" : " ") + name;
        return fail(
            {4, 7, 0},
            fmt::format(
                "SASL authentication failed; cannot authenticate to server {}: no mechanism available "
                "(offered: {}{})",
                settings_.host, offered,
                plaintext ? ""
                          : "; passwords are not sent without TLS: set smtp_tls_security_level = "
                            "encrypt"));
    }
    const auto initial = mechanism_->initial();
    std::string line = fmt::format("AUTH {}", mechanism_->name());
    initial_sent_ = true;
    if (initial) {
        const std::string encoded = initial->empty() ? "=" : base::base64_encode(*initial);
        if (line.size() + 1 + encoded.size() <= auth_line_octets_max)
            line += " " + encoded;
        else
            initial_sent_ = false;
    }
    return auth_line(std::move(line));
}

ClientStep ClientSession::auth_line(std::string line) {
    return ask(State::Auth, Wait::Auth, std::move(line) + "\r\n");
}

/// Only what the server refuses for good may bounce; its 454 (RFC 4954 §4.7.12) never.
ClientStep ClientSession::login_failed(const Reply& reply, const std::string& why) {
    const bool for_good = reply.permanent() && !settings_.refused_login_is_temporary;
    const auto out = fail(for_good ? mail::Status{5, 7, 8} : mail::Status{4, 7, 8},
                          fmt::format("SASL authentication failed; server {} said: {}", settings_.host, why));
    trouble_.login = true;
    return out;
}

ClientStep ClientSession::on_auth(const Reply& reply) {
    const auto failed = [&](const std::string& why) { return login_failed(reply, why); };
    if (reply.code == 334) {
        if (!mechanism_) return failed(reply.text());  // answered our "*" with another challenge
        const auto challenge = base::base64_decode(reply.lines.empty() ? "" : reply.lines.front());
        std::expected<std::string, std::string> response = std::unexpected("the challenge is not base64");
        if (challenge && !initial_sent_ && challenge->empty()) {
            initial_sent_ = true;
            response = mechanism_->initial().value_or("");
        } else if (challenge) {
            response = mechanism_->respond(*challenge);
        }
        if (response) return auth_line(base::base64_encode(*response));
        trouble_.text = response.error();
        mechanism_.reset();
        return auth_line("*");
    }
    if (!reply.positive()) return failed(trouble_.text.empty() ? reply.text() : trouble_.text);
    if (!mechanism_ || !mechanism_->satisfied())
        return failed("the server said success without proving that it knows the password");
    authenticated_ = true;
    mechanism_.reset();
    return introduced();
}

ClientStep ClientSession::refuse_message(mail::ReplyText why) {
    for (auto& result : results_) result.refused_here = why;
    return finished();
}

ClientStep ClientSession::send(ClientMessage message) {
    message_ = std::move(message);
    results_.assign(message_.recipients.size(), {});
    expected_.clear();
    accepted_.clear();
    next_recipient_ = confirmed_ = 0;
    forward_.clear();
    mail_sent_ = mail_ok_ = data_sent_ = data_ok_ = empty_data_ = false;
    const bool utf8 = !message_.sender.is_null() && !message_.sender.address().is_ascii();
    const bool needs_utf8 =
        message_.smtputf8 &&
        (utf8 || message_.utf8_header ||
         std::ranges::any_of(message_.recipients, [](const auto& r) { return !r.address.is_ascii(); }));
    if (needs_utf8 && !offer_.smtputf8)
        return refuse_message(
            {550, {5, 6, 7}, "SMTPUTF8 is required, but was not offered by host " + settings_.host});
    if (message_.body == mail::BodyType::BinaryMime && !offers_binary())
        return refuse_message(
            {550,
             {5, 6, 3},
             "the message is binary, and BINARYMIME was not offered by host " + settings_.host});
    if (message_.body == mail::BodyType::EightBitMime && !offer_.eight_bit)  // RFC 6152 §3
        return refuse_message(
            {550,
             {5, 6, 3},
             "the message holds 8-bit content, and 8BITMIME was not offered by host " + settings_.host});
    if (offer_.size && offer_.size_limit > 0 && message_.size > offer_.size_limit)
        return refuse_message({552,
                               {5, 3, 4},
                               fmt::format("message size {} exceeds size limit {} of server {}",
                                           message_.size, offer_.size_limit, settings_.host)});
    if (message_.xforward) forward_ = xforward_commands(*message_.xforward, offer_.xforward);
    return envelope_more();
}

std::string ClientSession::mail_command() const {
    std::string out = fmt::format("MAIL FROM:<{}>", message_.sender.text());
    if (offer_.size) out += fmt::format(" SIZE={}", message_.size);
    if (message_.body == mail::BodyType::BinaryMime)
        out += " BODY=BINARYMIME";
    else if (offer_.eight_bit && message_.body == mail::BodyType::EightBitMime)
        out += " BODY=8BITMIME";
    if (offer_.smtputf8 && message_.smtputf8) out += " SMTPUTF8";
    if (offer_.dsn && message_.dsn_return != mail::DsnReturn::Unspecified)
        out += message_.dsn_return == mail::DsnReturn::Full ? " RET=FULL" : " RET=HDRS";
    if (offer_.dsn && !message_.dsn_envelope_id.empty())
        out += " ENVID=" + mail::encode_xtext(message_.dsn_envelope_id);
    return out + "\r\n";
}

std::string ClientSession::rcpt_command(const mail::Recipient& recipient) const {
    std::string out = fmt::format("RCPT TO:<{}>", recipient.address.text());
    if (offer_.dsn && recipient.notify != mail::Notify::Default) {
        std::string words;
        if (mail::has(recipient.notify, mail::Notify::Never)) words = "NEVER";
        for (const auto& [bit, word] : {std::pair{mail::Notify::Success, "SUCCESS"},
                                        {mail::Notify::Failure, "FAILURE"},
                                        {mail::Notify::Delay, "DELAY"}})
            if (mail::has(recipient.notify, bit)) words += (words.empty() ? "" : ",") + std::string(word);
        out += " NOTIFY=" + words;
    }
    if (const auto semicolon = recipient.dsn_original.find(';'); offer_.dsn && semicolon != std::string::npos)
        out += fmt::format(" ORCPT={};{}", recipient.dsn_original.substr(0, semicolon),
                           mail::encode_xtext(recipient.dsn_original.substr(semicolon + 1)));
    return out + "\r\n";
}

/// The next command, or with PIPELINING the next group of them.
ClientStep ClientSession::envelope_more() {
    ClientStep out = ask(State::Envelope, wait_, "");
    const std::size_t group = offer_.pipelining ? commands_in_flight_max : 1;
    for (; expected_.size() < group && !forward_.empty(); forward_.pop_front()) {
        out.output += forward_.front();
        expected_.emplace_back(Expect::Xforward, 0);
    }
    if (expected_.size() < group && !mail_sent_) {
        out.output += mail_command();
        expected_.emplace_back(Expect::Mail, 0);
        mail_sent_ = true;
    }
    while (mail_sent_ && expected_.size() < group && next_recipient_ < message_.recipients.size()) {
        out.output += rcpt_command(message_.recipients[next_recipient_]);
        expected_.emplace_back(Expect::Rcpt, next_recipient_++);
    }
    const bool binary = message_.body == mail::BodyType::BinaryMime;
    const bool all = mail_sent_ && next_recipient_ == message_.recipients.size();
    const bool alone = expected_.empty() && !accepted_.empty();
    if (all && !binary && !data_sent_ &&
        (alone || (offer_.pipelining && expected_.size() < group && !expected_.empty()))) {
        out.output += "DATA\r\n";
        data_sent_ = true;
        expected_.emplace_back(Expect::Data, 0);
    }
    if (!expected_.empty())
        wait_ = expected_.front().first == Expect::Xforward ? Wait::Xforward
                : expected_.front().first == Expect::Mail   ? Wait::Mail
                : expected_.front().first == Expect::Rcpt   ? Wait::Rcpt
                                                            : Wait::Data;
    out.wait = wait_;
    return out;
}

ClientStep ClientSession::on_envelope(const Reply& reply) {
    bool in_step = true;
    const auto [kind, index] = expected_.front();
    expected_.pop_front();
    switch (kind) {
        case Expect::Xforward:
            break;  // it is for the other side's log: the mail goes on without
        case Expect::Mail:
            mail_ok_ = reply.positive();
            if (!mail_ok_) {
                for (auto& result : results_) {
                    result.reply = reply;
                    result.command = "MAIL FROM";
                }
                next_recipient_ = message_.recipients.size();
            }
            break;
        case Expect::Rcpt:
            if (!mail_ok_) break;
            if (reply.positive()) {
                accepted_.push_back(index);
            } else {
                results_[index].reply = reply;
                results_[index].command = "RCPT TO";
            }
            break;
        case Expect::Data:
            data_ok_ = reply.code == 354;
            in_step = data_ok_ || reply.code >= 400;
            if (!data_ok_)
                for (const auto i : accepted_) {
                    results_[i].reply = reply;
                    results_[i].command = "DATA";
                }
            break;
    }
    if (reply.code == 421) {  // it closes: what was not answered is for another time
        for (const auto i : accepted_) {
            if (results_[i].reply) continue;
            results_[i].reply = reply;
            results_[i].command = "RCPT TO";
        }
        for (auto& result : results_) {
            if (result.reply) continue;
            result.reply = reply;
            result.command = "RCPT TO";
        }
        reusable_ = false;
        return finished();
    }
    if (!in_step)  // a yes to DATA that asks for no content: nothing it says is an answer any more
        return fail({4, 5, 0}, fmt::format("host {} spoke out of turn: {}", settings_.host, reply.text()));
    ClientStep more = envelope_more();
    if (!expected_.empty()) return more;
    return envelope_done();
}

/// Every command is answered: content, or what ends the transaction.
ClientStep ClientSession::envelope_done() {
    const bool binary = message_.body == mail::BodyType::BinaryMime;
    if (data_ok_ && accepted_.empty()) {  // pipelined DATA was taken without a recipient (RFC 2920 §3.1)
        empty_data_ = true;
        return ask(State::Content, Wait::EndOfData, ".\r\n");
    }
    if (!mail_ok_ || accepted_.empty()) return reset();
    if (!binary && !data_ok_) return reset();
    ClientStep out = ask(State::Content, Wait::Content,
                         binary ? fmt::format("BDAT {} LAST\r\n", message_.size) : std::string());
    out.next = Next::Content;
    out.chunked = binary;
    return out;
}

ClientStep ClientSession::on_content_sent() { return ask(State::Content, Wait::EndOfData, ""); }

ClientStep ClientSession::on_end_of_data(const Reply& reply) {
    if (empty_data_) return reset();
    // LMTP answers once for each accepted recipient (RFC 2033 §4.2), SMTP once for all.
    const bool lmtp = settings_.protocol == ClientSettings::Protocol::Lmtp;
    const std::size_t end = lmtp ? confirmed_ + 1 : accepted_.size();
    for (; confirmed_ < end; ++confirmed_) {
        auto& result = results_[accepted_[confirmed_]];
        result.reply = reply;
        result.command = "end of DATA";
        result.delivered = reply.positive();
    }
    if (reply.code == 421) reusable_ = false;
    if (confirmed_ < accepted_.size()) return ask(State::Content, Wait::EndOfData, "");
    return finished();
}

ClientStep ClientSession::reset() { return ask(State::Rset, Wait::Rset, "RSET\r\n"); }

ClientStep ClientSession::finished() {
    state_ = State::Ready;
    ClientStep out;
    out.next = Next::Finished;
    return out;
}

ClientStep ClientSession::quit() { return ask(State::Quit, Wait::Quit, "QUIT\r\n"); }

}  // namespace smtp
