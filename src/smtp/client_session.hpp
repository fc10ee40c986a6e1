// The client side of SMTP and LMTP (RFC 5321, RFC 2033) without I/O: replies in, commands and the next thing
// to do out. Any number of messages, one after the other. What the other side says is never trusted: a reply
// that does not fit ends the session.
//
// The driver calls start(), sends Step::output, and does what Step::next says:
//   Reply      read one reply, at most as long as `wait` allows: on_reply()
//   StartTls   shake hands: on_tls(). What was received behind the reply to STARTTLS must be refused before.
//   Ready      send a message: send(); or quit()
//   Content    send the message's content: dot-stuffed with its end mark, or (`chunked`) as it is:
//   on_content_sent() Finished   results() hold the outcome of the message; reusable() says whether send()
//   may be called again Failed     trouble() says why; close the connection Closed     after quit()
#pragma once

#include "mail/envelope.hpp"
#include "sasl/client.hpp"
#include "smtp/server_offer.hpp"
#include "smtp/xforward.hpp"

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace smtp {

struct ClientSettings {
    enum class Protocol { Smtp, Lmtp } protocol = Protocol::Smtp;
    enum class Tls { Never, May, Must } tls = Tls::May;
    bool encrypted = false;                                               // TLS from the first octet
    enum class Ehlo { Always, WhereGreeted, Never } ehlo = Ehlo::Always;  // WhereGreeted: with "ESMTP"
    std::string helo_name = "localhost";
    std::string host;  // for texts: "mx.example.org[192.0.2.1]:25"
    std::optional<sasl::Credentials> credentials;
    bool plaintext_in_clear = false;  // PLAIN and LOGIN without TLS (never the default)
    std::vector<std::string> mechanisms;
    std::string nonce;
    std::string server_name;
    std::uint16_t port = 25;
    sasl::ChannelBindings bindings;               // of the TLS connection, when it is encrypted
    bool refused_greeting_is_temporary = true;    // smtp_skip_5xx_greeting
    bool refused_login_is_temporary = true;       // smtp_sasl_auth_soft_bounce
    std::vector<std::string> discarded_keywords;  // smtp_discard_ehlo_keywords
};

struct ClientMessage {
    mail::ReversePath sender;
    std::vector<mail::Recipient> recipients;
    mail::BodyType body = mail::BodyType::SevenBit;  // of the content as this host will get it
    bool smtputf8 = false;
    bool utf8_header = false;  // there are octets over 127 in it (RFC 6532)
    mail::DsnReturn dsn_return = mail::DsnReturn::Unspecified;
    std::string dsn_envelope_id;
    std::uint64_t size = 0;
    std::optional<Xforward> xforward{};  // said where XFORWARD is offered
};

/// What the other side is being waited for: time-outs and texts go by it (RFC 5321 §4.5.3.2).
enum class Wait {
    Greeting,
    Ehlo,
    StartTls,
    Auth,
    Xforward,
    Mail,
    Rcpt,
    Data,
    Content,
    EndOfData,
    Rset,
    Quit
};
/// "receiving the initial server greeting", "sending RCPT TO", …
std::string_view to_text(Wait wait);

struct ClientStep {
    std::string output;
    enum class Next { Reply, StartTls, Ready, Content, Finished, Failed, Closed } next = Next::Reply;
    Wait wait = Wait::Greeting;
    bool chunked = false;
};

/// One recipient's outcome. Without a reply: nothing was answered for it yet.
struct RecipientOutcome {
    std::optional<Reply> reply;
    std::string_view command;  // "MAIL FROM", "RCPT TO", "DATA", "end of DATA"
    bool delivered = false;
    std::optional<mail::ReplyText> refused_here;  // the message cannot go to this host: nothing was sent
};

class ClientSession {
 public:
    explicit ClientSession(ClientSettings settings) : settings_(std::move(settings)) {}
    ClientStep start();
    ClientStep on_reply(const Reply& reply);
    ClientStep on_tls();
    /// What this TLS connection binds a login to.
    void bind_to(sasl::ChannelBindings bindings) { settings_.bindings = std::move(bindings); }
    /// From Ready, or Finished when reusable().
    ClientStep send(ClientMessage message);
    ClientStep on_content_sent();
    ClientStep quit();

    const std::vector<RecipientOutcome>& results() const { return results_; }
    bool reusable() const { return reusable_; }
    struct Trouble {
        mail::Status status;
        std::string text;
        bool tls = false;       // of encryption: the driver may try again without, where the policy allows
        bool protocol = false;  // the other side does not speak SMTP as it should
        bool login = false;     // the credentials were refused: the driver may try again with others
    };
    const Trouble& trouble() const { return trouble_; }
    Wait waiting_for() const { return wait_; }
    bool encrypted() const { return settings_.encrypted; }
    bool offers_dsn() const { return offer_.dsn; }
    bool offers_eight_bit() const { return offer_.eight_bit; }
    bool offers_smtputf8() const { return offer_.smtputf8; }
    bool offers_binary() const { return offer_.binary && offer_.chunking; }
    bool credentials_unused() const { return credentials_unused_; }

 private:
    enum class State { Greeting, Ehlo, Helo, StartTls, Auth, Ready, Envelope, Content, Rset, Quit };
    enum class Expect { Xforward, Mail, Rcpt, Data };
    ClientStep ask(State state, Wait wait, std::string output);
    ClientStep fail(mail::Status status, std::string text, bool tls = false);
    ClientStep introduce();
    bool begins_with_ehlo(const Reply& greeting) const;
    ClientStep say_helo();
    ClientStep on_ehlo(const Reply& reply);
    ClientStep introduced();
    ClientStep authenticate();
    ClientStep on_auth(const Reply& reply);
    ClientStep auth_line(std::string line);
    ClientStep login_failed(const Reply& reply, const std::string& why);
    ClientStep envelope_more();
    ClientStep on_envelope(const Reply& reply);
    ClientStep envelope_done();
    ClientStep on_end_of_data(const Reply& reply);
    ClientStep reset();
    ClientStep finished();
    ClientStep refuse_message(mail::ReplyText why);
    std::string mail_command() const;
    std::string rcpt_command(const mail::Recipient& recipient) const;

    ClientSettings settings_;
    State state_ = State::Greeting;
    Wait wait_ = Wait::Greeting;
    ServerOffer offer_;
    bool authenticated_ = false, credentials_unused_ = false;
    std::unique_ptr<sasl::ClientMechanism> mechanism_;
    bool initial_sent_ = true;

    ClientMessage message_;
    std::vector<RecipientOutcome> results_;
    std::deque<std::pair<Expect, std::size_t>> expected_;
    std::size_t next_recipient_ = 0;
    std::deque<std::string> forward_;  // XFORWARD commands not yet sent
    bool mail_sent_ = false, mail_ok_ = false, data_sent_ = false, data_ok_ = false, empty_data_ = false;
    std::vector<std::size_t> accepted_;
    std::size_t confirmed_ = 0;
    bool reusable_ = false;
    Trouble trouble_;
};

}  // namespace smtp
