// One SMTP connection: a coroutine that moves bytes between the stream, the protocol session, the policy and
// the queue. It decides nothing. Belongs to its loop; keeps the service it began with when the configuration
// is reloaded.
#pragma once

#include "accounts/authenticator.hpp"
#include "accounts/throttle.hpp"
#include "base/event.hpp"
#include "env/loop.hpp"
#include "env/network.hpp"
#include "env/random.hpp"
#include "env/resolver.hpp"
#include "env/tls.hpp"
#include "env/workers.hpp"
#include "mail/field_reader.hpp"
#include "mail/header.hpp"
#include "mail/received.hpp"
#include "policy/account_policy.hpp"
#include "policy/content_check.hpp"
#include "policy/judge.hpp"
#include "policy/message_filter.hpp"
#include "policy/rewrite_clients.hpp"
#include "policy/sender_login.hpp"
#include "queue/intake.hpp"
#include "queue/session_report.hpp"
#include "server/client_limits.hpp"
#include "server/session_record.hpp"
#include "smtp/dot_decoder.hpp"
#include "smtp/line_decoder.hpp"
#include "smtp/server_session.hpp"

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <set>
#include <string>

namespace server {

/// Whether a client's address is in a list of main.cf, which may name tables.
using AddressTest = std::function<env::Task<bool>(env::IpAddress)>;

/// One master.cf listener's settings: an immutable tree. A reload makes a new one.
struct SmtpService {
    std::string name = "smtpd";  // for the log: "smtpd", "submission/smtpd"
    std::shared_ptr<const smtp::ServerOptions> options;
    ClientLimitOptions limits;
    AddressTest without_limits;        // smtpd_client_event_limit_exceptions
    AddressTest bare_newline_allowed;  // smtpd_forbid_bare_newline_exclusions
    AddressTest may_xclient;           // smtpd_authorized_xclient_hosts
    AddressTest may_xforward;          // smtpd_authorized_xforward_hosts
    /// Whether ETRN is served for a domain (fast_flush_domains).
    std::function<env::Task<bool>(std::string)> may_flush;
    AddressTest may_proxy;                             // smtpd_upstream_proxy_hosts
    std::shared_ptr<const env::TlsServerContext> tls;  // nullptr: no TLS
    smtp::TlsOffer tls_offer = smtp::TlsOffer::No;
    bool tls_from_start = false;  // smtpd_tls_wrappermode
    std::uint32_t tls_log_level = 0;
    bool peer_name_lookup = true;
    std::function<std::string(const env::IpAddress&)> name_in_hosts_file;  // "": it says nothing
    std::shared_ptr<accounts::Authenticator> authenticator;                // nullptr: no AUTH
    std::shared_ptr<accounts::TokenValidator> tokens;                      // nullptr: no bearer tokens
    std::shared_ptr<const smtp::AuthOffer> auth, auth_of_loopback;
    accounts::ThrottleOptions throttle;
    queue::SessionReporting reporting;  // notify_classes
    AddressTest without_auth;           // smtpd_sasl_exceptions_networks
    bool repair_always = false;         // always_add_missing_headers
    policy::RewriteClients mended_for;  // local_header_rewrite_clients
    std::string append_domain;          // myorigin, for submitted addresses without a domain; "": they stay
    bool asks_certificate = false;      // of clients, for Received:
    std::shared_ptr<const policy::AccountPolicy> accounts;
    std::shared_ptr<const policy::SenderLogins> sender_logins;
    policy::AuthorCheck author_check = policy::AuthorCheck::None;
    std::shared_ptr<policy::Judge> judge;
    std::shared_ptr<const policy::ContentRules> content;      // nullptr: content is taken as it is
    AddressTest without_verify;                               // sender_authentication_exempt_networks
    AddressTest signed_for;                                   // dkim_sign_networks
    AddressTest sealed_for;                                   // arc_seal_networks
    std::function<bool(const mail::Address&)> takes_reports;  // dmarc_report_address
    /// What is written with a message for who reads it later; "": nothing.
    std::function<std::string(const mail::Envelope&, const queue::QueueId&)> mark;
    /// Aliases, canonical forms, blind copies: what the envelope becomes. The error is a temporary failure's
    /// reason.
    std::function<env::Task<std::expected<mail::Envelope, std::string>>(mail::Envelope)> expand;
    tables::TableList discard_ehlo_keyword_maps;        // smtpd_discard_ehlo_keyword_address_maps
    tables::TableList command_filter;                   // smtpd_command_filter
    std::shared_ptr<const policy::FilterRules> filter;  // header_checks and their like; nullptr: none
    /// What addresses in header fields become, of clients whose messages are mended and of others; empty:
    /// they stay.
    policy::MessageFilter::Rewrite rewrite_mended, rewrite_foreign;
};

/// What every connection of a loop shares.
struct SmtpServices {
    env::Loop& loop;
    env::Tls& tls;
    env::Resolver* resolver;  // nullptr: names are not looked up
    queue::Intake& intake;
    base::EventSink& events;
    ClientLimits& limits;
    accounts::Throttle& throttle;
    env::Random& random;
    env::Workers& workers;
    std::array<char, 65536>& scratch;     // of the loop: used only between suspensions
    const policy::SightingSink& sighted;  // what authors' reports count; may be empty
    policy::AccountLimits& accounts;
    /// All mail for a domain is due now. May be empty.
    const std::function<void(std::string)>& flush_site;
    /// An account sends far more than it used to: its name, and the client. May be empty.
    const std::function<void(std::string, std::string)>& conspicuous;
    /// A session went wrong in a way that the postmaster wants to hear of. May be empty.
    const std::function<void(queue::SessionReport)>& report;
};

class SmtpConnection {
 public:
    SmtpConnection(SmtpServices services, std::shared_ptr<const SmtpService> service,
                   std::unique_ptr<env::Stream> stream);
    /// From connect to close.
    env::Task<void> run();
    /// The server stops: an idle client is told 421 at once, others after their transaction.
    void ask_to_stop();

 private:
    enum class LastPiece { No, Yes };
    /// The content that is coming in.
    struct Content {
        smtp::DotDecoder dots;
        mail::HeaderScanner header;
        std::string decoded;
        std::uint64_t size = 0;
        std::optional<smtp::CommitFailure> failure;
        std::unique_ptr<policy::ContentCheck> check;
        std::string checked;  // what the check lets through
        std::unique_ptr<policy::MessageFilter> filter;
        std::string filtered;                              // what the filter lets through
        std::unique_ptr<mail::FieldReader> author_reader;  // of what was submitted, where authors are judged
        std::vector<std::string> authors;                  // the addresses in From: and Sender:
        std::string prepend;                               // fields the check wants
        bool mended = false;                               // of a client whose messages are
        bool hold = false, junk = false, verified = false;
        bool from_outside = false, passed_on = false;  // for who forwards it
    };
    env::Task<smtp::Step> check_password();
    env::Task<smtp::Step> look_up_verifier();
    env::Task<accounts::LoginAnswer> judge_credentials();
    env::Task<void> login_failed(std::string why);
    env::Task<void> after_proof();
    bool may_log_in(const std::string& user);
    void logged_in(const std::string& user);
    sasl::ChannelBindings channel_bindings() const;
    void offer_auth();
    env::Task<bool> read_proxy_header();
    env::Task<std::optional<std::string>> begin_client();
    env::Task<void> apply_address_maps();
    env::Task<smtp::Step> meet();
    env::Task<smtp::Step> become_client();
    env::Task<smtp::Step> flush_site();
    env::Task<void> converse();
    env::Task<smtp::Step> act(smtp::Step step);
    void record_replies(const smtp::Step& step, smtp::Step::Next done, smtp::Stage stage);
    void report_session();
    env::Task<smtp::Step> read_command();
    env::Task<std::string> filtered_command(std::string line);
    std::string with_reject_footer(const std::string& replies) const;
    env::Task<policy::Verdict> ask_judge(policy::Stage stage);
    env::Task<smtp::Step> judge(smtp::Stage stage);
    env::Task<smtp::Step> begin();
    env::Task<smtp::Step> read_data();
    env::Task<smtp::Step> read_chunk(std::uint64_t octets, bool keep);
    env::Task<smtp::Step> commit();
    env::Task<std::optional<std::string>> leading_fields(Content& content, const mail::Envelope& envelope,
                                                         std::string queue_id);
    static smtp::CommitFailure to_failure(queue::QueueError error);
    static smtp::Judged refused(mail::ReplyText reply);
    env::Task<smtp::Step> start_tls();
    env::Task<bool> handshake();
    env::Task<bool> flush();
    env::Task<bool> fill();
    env::Task<policy::Verdict> judge_account(smtp::Stage stage, policy::Verdict verdict);
    env::Task<policy::Verdict> judge_authors(policy::Verdict verdict);
    void settle_account();
    mail::TraceOptions trace_options() const;
    env::Task<bool> store(std::string_view content);
    env::Task<void> pass_on(std::string_view content, LastPiece last);
    env::Task<bool> append(std::string_view content);
    env::Task<void> end_content();
    env::Task<std::unique_ptr<policy::ContentCheck>> make_check() const;
    env::Task<std::optional<smtp::Step>> verify_content();
    void make_filter();
    void make_author_reader();
    bool forwards_a_strangers() const;
    env::Task<void> note_clients();
    void note_origin(const Content& content, mail::Envelope& envelope) const;
    std::optional<smtp::Step> filter_verdict();
    void report_filter_notes(Content& content, const mail::Envelope& envelope, const std::string& queue_id);
    bool is_report_mail() const;
    env::Task<void> look_up_name();
    env::Task<void> say_goodbye();
    smtp::ContentSummary summary() const;
    smtp::Judged to_judged(const policy::Verdict& verdict);
    policy::Facts facts() const;
    mail::Envelope finished_envelope();
    std::string missing_fields(const mail::HeaderScanner& header, const mail::Envelope& envelope,
                               const std::string& queue_id) const;
    void reject_event(smtp::Stage stage, const policy::Verdict& verdict);
    void note(base::Severity severity, std::string text);
    void lost(std::string_view how);
    std::string who() const;
    env::SteadyTime deadline() const;

    SmtpServices services_;
    std::shared_ptr<const SmtpService> service_;
    std::unique_ptr<env::Stream> stream_;
    env::Endpoint client_;  // for whom the client speaks: PROXY and XCLIENT change it
    env::Endpoint server_;
    std::string client_name_ = "unknown";
    std::string reverse_name_ = "unknown";
    smtp::ServerSession session_;
    std::string last_mechanism_;
    std::string scram_user_, scram_why_;  // whose verifier was looked up; why there was none
    smtp::LineDecoder lines_;
    std::string input_;  // read and not yet used
    std::size_t used_ = 0;
    std::string output_;  // replies not yet sent
    std::unique_ptr<queue::IncomingMessage> message_;
    std::unique_ptr<Content> content_;
    std::unique_ptr<SessionRecord> record_;  // nullptr: nobody wants to know
    std::unique_ptr<policy::SideEffects> effects_;
    std::unique_ptr<policy::AccountTicket> account_;  // of the transaction, when the client logged in
    std::string instance_;                            // of the message that comes, for policy servers
    bool limited_ = true;
    bool idle_ = false;
    bool stop_asked_ = false;
    bool closed_ = false;
    bool saying_goodbye_ = false;
};

}  // namespace server
