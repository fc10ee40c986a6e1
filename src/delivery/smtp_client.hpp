// SMTP and LMTP to a next hop (RFC 5321, RFC 2033): finds the hosts, connects, drives smtp::ClientSession,
// keeps connections for the next message. One transport object for each master.cf service; belongs to the
// queue manager's loop.
#pragma once

#include "base/event.hpp"
#include "delivery/credential_source.hpp"
#include "delivery/next_hop.hpp"
#include "delivery/outgoing_content.hpp"
#include "delivery/outgoing_rules.hpp"
#include "delivery/smtp_connection.hpp"
#include "delivery/smtp_options.hpp"
#include "delivery/tls_policy.hpp"
#include "env/file_system.hpp"
#include "env/loop.hpp"
#include "env/network.hpp"
#include "env/random.hpp"
#include "env/resolver.hpp"
#include "env/tls.hpp"
#include "queue/session_report.hpp"
#include "queue/transport.hpp"
#include "routing/mail_hosts.hpp"
#include "smtp/client_session.hpp"
#include "tables/factory.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <set>

namespace delivery {

enum class Protocol { Smtp, Lmtp };

class SmtpClientTransport : public queue::Transport {
 public:
    struct Services {
        env::Loop& loop;
        env::Network& network;
        env::Tls& tls;
        env::Resolver* resolver;  // nullptr: only addresses as next hops
        env::Random& random;
        env::FileSystem& files;
        base::EventSink& events;
        tables::Factory& factory;
        routing::Routing& routing;
        std::set<env::IpAddress> own_addresses;
        std::string queue_directory;
        env::Programs* programs = nullptr;  // for tokens; nullptr: none can be run
        std::function<queue::Transport*(const std::string& name)> transport;  // of best_mx_transport
        queue::SessionReporting reporting{};                                  // notify_classes
    };
    /// Error: what the administrator must mend.
    static std::expected<std::unique_ptr<SmtpClientTransport>, std::string> make(std::string name,
                                                                                 Protocol protocol,
                                                                                 SmtpClientOptions options,
                                                                                 OutgoingOptions outgoing,
                                                                                 Services services);
    ~SmtpClientTransport() override;
    env::Task<queue::DeliveryReport> deliver(queue::DeliveryRequest request) override;
    /// Ends idle connections.
    void close() { idle_.close(); }

 private:
    struct Attempt;
    enum class Transaction { Reusable, Spent, Unanswered };
    struct Target {
        env::Endpoint endpoint;
        std::string host;  // as shown: "mx.example.org"
    };
    struct Trouble {
        mail::Status status;
        std::string text;
        bool tls = false;
        bool ours = false;  // this machine is the best mail host
        std::optional<CredentialSource::Login> refused_login{};
    };
    struct Targets {
        std::vector<Target> list;
        bool includes_us = false;  // we are a mail host, too: no fallback, it might send the mail back
    };
    /// What a delivery must know of its way: the same for all hosts of a next hop.
    struct Way {
        std::string next_hop;  // as routed
        std::string domain;    // without brackets and port
        std::string sender;    // for sender-dependent credentials; else empty
        TlsPolicy tls;
        bool about_notice = false;  // the mail is a notification: no notices about how it fares
    };
    template <class T>
    using Result = std::expected<T, Trouble>;

    SmtpClientTransport(std::string name, Protocol protocol, SmtpClientOptions options, Services services);
    std::expected<void, std::string> read_certificates();
    env::Task<std::expected<void, std::string>> map_envelope(Attempt& attempt) const;
    env::Task<Result<Targets>> targets(std::string next_hop);
    routing::MailHostRules host_rules() const;
    bool looks_up_mx() const;
    void balance(std::vector<Target>& list) const;
    std::uint16_t default_port() const;
    std::optional<NextHop> parse_hop(std::string_view text) const {
        return parse_next_hop(text, default_port());
    }
    /// open(), and once more in clear where the policy lets a host without working TLS be.
    env::Task<Result<std::unique_ptr<SmtpConnection>>> connect(Target target, const Way& way);
    env::Task<Result<std::unique_ptr<SmtpConnection>>> open(Target target, const Way& way, bool without_tls);
    env::Task<Result<void>> introduce(SmtpConnection& connection, const Way& way);
    env::Task<Result<void>> encrypt(SmtpConnection& connection, const Way& way);
    env::Task<Result<std::unique_ptr<env::Stream>>> reach(Target target, std::string shown);
    env::Task<Result<std::optional<CredentialSource::Login>>> login(const Way& way, std::string host);
    env::Task<Result<smtp::ClientSettings>> session_settings(const Target& target, const Way& way,
                                                             std::string shown, bool without_tls,
                                                             std::optional<CredentialSource::Login> login);
    env::Task<void> try_hosts(Attempt& attempt, const Way& way, const std::string& key);
    env::Task<void> pass_on(Attempt& attempt);
    env::Task<bool> use(Attempt& attempt, std::unique_ptr<SmtpConnection> connection, const std::string& key);
    env::Task<Transaction> transact(SmtpConnection& connection, Attempt& attempt);
    env::Task<bool> send_content(SmtpConnection& connection, OutgoingContent& content, bool chunked);
    void tell_changes(Attempt& attempt);
    void report_session(SmtpConnection& connection) const;
    queue::RecipientResult result_of(const SmtpConnection& connection,
                                     const smtp::RecipientOutcome& outcome) const;
    std::chrono::seconds timeout(smtp::Wait wait) const;

    std::string name_;
    Protocol protocol_;
    SmtpClientOptions options_;
    Services services_;
    tables::TableList policy_maps_, reply_filter_, discarded_keyword_maps_;
    std::optional<CredentialSource> credentials_;
    std::shared_ptr<const OutgoingRules> outgoing_;
    std::string ca_pem_;
    std::vector<env::TlsCertificate> certificates_;
    ConnectionCache idle_;
};

}  // namespace delivery
