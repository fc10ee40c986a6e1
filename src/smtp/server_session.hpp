// The server side of SMTP (RFC 5321 §4) without I/O: lines and verdicts in, replies and the next thing to do
// out. It knows the grammar and the legal order; it decides no policy. One object for one connection; small
// while idle.
//
// The driver calls greet(), sends Step::output, and does what Step::next says:
//   Read          read a line: on_line()
//   Judge         ask the policy about `stage`: on_verdict()
//   Begin         begin a message in the queue: on_begun()
//   ReadData      feed the content up to the end mark: on_content()
//   ReadChunk     feed `chunk_octets` octets of a BDAT chunk: on_content()
//   SkipChunk     swallow `chunk_octets` octets: on_content()
//   FlushSite     see whether mail for etrn_domain() may be sent now, and have it sent: on_site_flushed()
//   Commit        make the message durable: on_committed()
//   StartTls      after the output, shake hands: on_tls()
//   CheckPassword ask whether credentials() are right, a password or a token: on_password(),
//   on_token_refused() LookUpVerifier ask for the SCRAM verifier of credentials().user: on_verifier() Xclient
//   take over what xclient() says and greet anew: greet() Close         after the output, close
#pragma once

#include "mail/envelope.hpp"
#include "sasl/server.hpp"
#include "smtp/command.hpp"
#include "smtp/server_options.hpp"
#include "smtp/xclient.hpp"
#include "smtp/xforward.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace smtp {

enum class Stage { Connect, Helo, Mail, Rcpt, Data, EndOfData, Vrfy, Etrn };

struct Step {
    std::string output;  // replies, to be sent before the next thing
    enum class Next {
        Read,
        Judge,
        Begin,
        ReadData,
        ReadChunk,
        SkipChunk,
        FlushSite,
        Commit,
        StartTls,
        Xclient,
        CheckPassword,
        LookUpVerifier,
        Close
    } next = Next::Read;
    Stage stage = Stage::Connect;
    std::uint64_t chunk_octets = 0;
    std::chrono::seconds delay{0};         // wait so long before the output
    const char* closed_because = nullptr;  // for the log: "too many errors", "improper command pipelining"
};

/// Which mechanisms a client may use to log in (RFC 4954). Empty lists: AUTH is not offered.
struct AuthOffer {
    std::vector<std::string> in_clear, encrypted;
    std::string decoy;                              // sasl::ServerSetup
    bool old_clients = false;                       // also offer "AUTH=" (broken_sasl_auth_clients)
    std::string bearer_scope{}, bearer_metadata{};  // sasl::ServerSetup
    bool any() const { return !in_clear.empty() || !encrypted.empty(); }
};
enum class PasswordVerdict { Right, Wrong, Unknown };  // Unknown: cannot be said now

/// What the policy said.
struct Judged {
    enum class Kind { Accept, Refuse, RefuseAndClose } kind = Kind::Accept;
    mail::ReplyText reply;
};

enum class CommitFailure { NoSpace, Store, Closing };

/// The content of a message when its end was seen.
struct ContentSummary {
    std::uint64_t size = 0;
    std::size_t hops = 0;
    bool bare_newline = false;
    std::optional<CommitFailure> failure;  // while it was being stored
};

enum class TlsOffer { No, Offered, Required };

class ServerSession {
 public:
    ServerSession(std::shared_ptr<const ServerOptions> options, TlsOffer tls);

    /// The policy accepted or refused the connection.
    Step greet(const Judged& judged);
    /// `more`: the client sent octets behind this line already. `bare_newline`: the line ended in LF alone.
    Step on_line(std::string_view line, bool more, bool bare_newline);
    Step on_line_too_long();
    Step on_verdict(const Judged& judged);
    Step on_begun(std::optional<CommitFailure> failure);
    enum class SiteFlush { Started, NotServed, Failed };
    Step on_site_flushed(SiteFlush outcome);
    Step on_content(const ContentSummary& summary);
    /// `queue_id`: of the receipt.
    Step on_committed(std::string_view queue_id);
    Step on_commit_failed(CommitFailure failure);
    /// What CheckPassword and LookUpVerifier are about.
    const sasl::ServerStep& credentials() const { return auth_step_; }
    /// `user`: the name to go by, when Right.
    Step on_password(PasswordVerdict verdict, std::string user = {});
    Step on_token_refused(sasl::TokenProblem problem);
    /// nullopt: no such user; they look as if they had a verifier of `shape`. `user`: the name to go by.
    Step on_verifier(std::optional<sasl::ScramVerifier> verifier, sasl::ScramShape shape,
                     std::string user = {});
    /// The handshake succeeded: everything said before is forgotten (RFC 3207 §4.2). `bindings`: of this TLS
    /// connection; with them the -PLUS mechanisms of the offer are offered.
    Step on_tls(sasl::ChannelBindings bindings = {});
    /// The server stops, or the client took too long.
    Step close_with(int code, std::string_view text);

    const std::string& helo() const { return helo_; }
    bool esmtp() const { return esmtp_; }
    bool in_transaction() const {
        return state_ == State::Mail || state_ == State::Rcpt || state_ == State::Content;
    }
    const mail::Envelope& envelope() const { return envelope_; }
    const std::string& sender_text() const { return sender_text_; }
    /// The recipient that Judge(Rcpt) is about.
    const RcptCommand& pending_recipient() const { return *pending_recipient_; }
    bool has_pending_recipient() const { return pending_recipient_.has_value(); }
    /// The domain that Judge(Etrn) and FlushSite are about.
    const std::string& etrn_domain() const { return etrn_domain_; }
    std::size_t recipient_count() const { return envelope_.recipients.size(); }
    /// The BDAT chunk being read is the last one.
    bool last_chunk() const { return chunk_last_; }
    /// What the session was closed because of, when that was a "non-SMTP command".
    const std::string& offending_line() const { return offending_line_; }
    std::string_view last_command() const { return last_command_; }
    bool pipelined_early() const { return pipelined_early_; }
    /// The envelope of a finished message; the transaction is over.
    mail::Envelope take_envelope();
    /// Discarded by policy: answer as if it were queued.
    Step on_discarded(std::string_view queue_id);
    /// "ehlo=1 mail=1 rcpt=1/2 data=1 quit=1 commands=5/6".
    std::string counts() const;
    /// What Next::Xclient is about.
    const Xclient& xclient() const { return xclient_; }
    /// `seed`: random octets of this connection; each exchange's nonce is made of them.
    void offer_auth(std::shared_ptr<const AuthOffer> offer, std::string seed) {
        auth_offer_ = std::move(offer);
        auth_seed_ = std::move(seed);
    }
    /// Empty: not logged in.
    const std::string& user() const { return user_; }
    const std::string& auth_method() const { return auth_method_; }
    /// XCLIENT LOGIN: another server did it.
    void log_in_as(std::string user) {
        user_ = std::move(user);
        auth_method_ = user_.empty() ? "" : "XCLIENT";
    }
    /// A line now may be as long as a SASL response (RFC 4954 section 4).
    bool in_auth() const { return mechanism_ != nullptr; }
    std::string_view mechanism_name() const { return mechanism_ ? mechanism_->name() : std::string_view{}; }
    /// The mechanism of an exchange that ended because its proof was wrong, told once; "": none did.
    /// credentials() tells whose it was, and why.
    std::string_view take_refused() { return std::exchange(refused_, {}); }
    /// The client may say XCLIENT (smtpd_authorized_xclient_hosts).
    void allow_xclient(bool allowed) { xclient_allowed_ = allowed; }
    /// The client may say XFORWARD (smtpd_authorized_xforward_hosts).
    void allow_xforward(bool allowed) { xforward_allowed_ = allowed; }
    /// What it said of the message that comes; nullptr: nothing.
    const Xforward* xforward() const { return xforward_.get(); }
    /// Instead of smtpd_discard_ehlo_keywords, for this client.
    void discard_ehlo_keywords(std::vector<std::string> words) { discarded_keywords_ = std::move(words); }
    /// Commands are taken as they are (smtpd_forbid_bare_newline_exclusions).
    void allow_bare_newline() { bare_newline_allowed_ = true; }

 private:
    enum class State { Start, Greeted, Mail, Rcpt, Content };
    Step reply(const mail::ReplyText& text, Step::Next next = Step::Next::Read);
    Step ok(int code, mail::Status status, std::string text);
    Step refuse(mail::ReplyText text);
    static mail::ReplyText need(std::string_view what);  // 503
    Step limited(Step out) const;
    Step dispatch(const CommandLine& command);
    Step helo(const CommandLine& command);
    Step mail_from(std::string_view argument);
    Step rcpt_to(std::string_view argument);
    Step data(std::string_view argument);
    Step bdat(std::string_view argument);
    Step vrfy(std::string_view argument);
    Step etrn(std::string_view argument);
    Step start_tls(std::string_view argument);
    Step take_xclient(std::string_view argument);
    Step take_xforward(std::string_view argument);
    std::vector<std::string> mechanisms() const;
    Step auth(std::string_view argument);
    Step on_auth_line(std::string_view line);
    Step after_auth(sasl::ServerStep step);
    Step end_auth(mail::ReplyText refusal);
    Step accepted_recipient();
    Step ehlo_reply() const;
    bool offers(std::string_view keyword) const;
    Step judge(Stage stage);
    void reset_transaction();
    void count(Verb verb, bool success);
    GrammarOptions grammar() const;
    mail::ReplyText final_reply(const ContentSummary& summary) const;

    std::shared_ptr<const ServerOptions> options_;
    TlsOffer tls_;
    bool encrypted_ = false;
    State state_ = State::Start;
    bool esmtp_ = false;
    bool bare_newline_allowed_ = false;
    bool xclient_allowed_ = false, xforward_allowed_ = false;
    bool pipelined_early_ = false;
    bool chunking_ = false;  // this message comes by BDAT
    bool chunk_last_ = false;
    bool chunk_refused_ = false;
    bool judged_data_ = false;
    Verb verb_ = Verb::Unknown;  // the command being handled
    Stage stage_ = Stage::Connect;
    std::string helo_;
    std::string pending_helo_;
    std::string sender_text_, etrn_domain_;
    std::string last_command_ = "CONNECT", offending_line_;
    mail::Envelope envelope_;
    std::optional<MailCommand> pending_mail_;
    std::optional<RcptCommand> pending_recipient_;
    Xclient xclient_;
    std::unique_ptr<Xforward> xforward_;
    std::shared_ptr<const AuthOffer> auth_offer_;
    std::string auth_seed_;
    std::uint32_t auth_exchanges_ = 0;
    sasl::ChannelBindings bindings_;
    std::optional<std::vector<std::string>> discarded_keywords_;
    std::unique_ptr<sasl::ServerMechanism> mechanism_;
    sasl::ServerStep auth_step_;
    std::string_view refused_;  // a name of sasl::server_mechanisms()
    std::string known_as_;      // of the user whose verifier was looked up
    std::string user_, auth_method_;
    mail::ReplyText content_refusal_;
    std::uint64_t chunk_octets_ = 0;
    std::uint64_t received_octets_ = 0;
    std::uint32_t errors_ = 0;
    std::uint32_t errors_before_ = 0;  // when the command being handled came
    std::uint32_t junk_ = 0;
    std::uint32_t overshoot_ = 0;
    std::array<std::uint16_t, 18> attempts_{};
    std::array<std::uint16_t, 18> successes_{};
};

}  // namespace smtp
