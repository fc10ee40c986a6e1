// SMTP and LMTP to a next hop (RFC 5321, RFC 2033): finds the hosts, connects, drives smtp::ClientSession,
// keeps connections for the next message. One transport object for each master.cf service; belongs to the
// queue manager's loop.
#pragma once

#include "base/event.hpp"
#include "delivery/next_hop.hpp"
#include "delivery/smtp_connection.hpp"
#include "delivery/smtp_options.hpp"
#include "delivery/tls_policy.hpp"
#include "env/file_system.hpp"
#include "env/loop.hpp"
#include "env/network.hpp"
#include "env/random.hpp"
#include "env/resolver.hpp"
#include "env/tls.hpp"
#include "queue/transport.hpp"
#include "routing/mail_hosts.hpp"
#include "smtp/client_session.hpp"
#include "tables/factory.hpp"

#include <memory>
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
        std::set<env::IpAddress> own_addresses;
        std::string queue_directory;
    };
    /// Error: what the administrator must mend.
    static std::expected<std::unique_ptr<SmtpClientTransport>, std::string> make(std::string name,
                                                                                 Protocol protocol,
                                                                                 SmtpClientOptions options,
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
    };
    /// What a delivery must know of its way: the same for all hosts of a next hop.
    struct Way {
        std::string next_hop;  // as routed
        std::string domain;    // without brackets and port
        std::string sender;    // for sender-dependent credentials; else empty
        TlsPolicy tls;
    };
    template <class T>
    using Result = std::expected<T, Trouble>;

    SmtpClientTransport(std::string name, Protocol protocol, SmtpClientOptions options, Services services);
    env::Task<Result<std::vector<Target>>> targets(std::string next_hop);
    /// open(), and once more in clear where the policy lets a host without working TLS be.
    env::Task<Result<std::unique_ptr<SmtpConnection>>> connect(Target target, const Way& way);
    env::Task<Result<std::unique_ptr<SmtpConnection>>> open(Target target, const Way& way, bool without_tls);
    env::Task<Result<void>> introduce(SmtpConnection& connection, const Way& way);
    env::Task<Result<void>> encrypt(SmtpConnection& connection, const Way& way);
    env::Task<Result<std::optional<sasl::Credentials>>> credentials(const Way& way, std::string host);
    env::Task<void> try_hosts(Attempt& attempt, const Way& way, const std::string& key);
    env::Task<bool> use(Attempt& attempt, std::unique_ptr<SmtpConnection> connection, const std::string& key);
    env::Task<Transaction> transact(SmtpConnection& connection, Attempt& attempt);
    env::Task<bool> send_content(SmtpConnection& connection, queue::ContentReader& content, bool chunked);
    queue::RecipientResult result_of(const SmtpConnection& connection,
                                     const smtp::RecipientOutcome& outcome) const;
    std::chrono::seconds timeout(smtp::Wait wait) const;

    std::string name_;
    Protocol protocol_;
    SmtpClientOptions options_;
    Services services_;
    tables::TableList policy_maps_, password_maps_;
    std::string ca_pem_;
    std::optional<env::TlsCertificate> certificate_;
    ConnectionCache idle_;
};

}  // namespace delivery
