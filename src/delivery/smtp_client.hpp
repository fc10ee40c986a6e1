// SMTP and LMTP to a next hop (RFC 5321, RFC 2033): finds the hosts, connects, drives smtp::ClientSession,
// keeps connections for the next message. One transport object for each master.cf service; belongs to the
// queue manager's loop.
#pragma once

#include "base/event.hpp"
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

#include <map>
#include <memory>

namespace delivery {

enum class Protocol { Smtp, Lmtp };

/// "[host]:port", "host:port", "host", "unix:path", "inet:host:port". nullopt: not one of these.
struct NextHop {
    std::string host;  // without brackets
    std::uint16_t port = 0;
    bool literal_host = false;  // in brackets: no MX
    std::string unix_path;
};
std::optional<NextHop> parse_next_hop(std::string_view text, std::uint16_t default_port);

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
    void close();

 private:
    struct Connection;
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
    env::Task<Result<std::unique_ptr<Connection>>> connect(const Way& way);
    env::Task<Result<std::unique_ptr<Connection>>> open(Target target, const Way& way, bool without_tls);
    env::Task<Result<void>> introduce(Connection& connection, const Way& way);
    env::Task<Result<void>> encrypt(Connection& connection, const Way& way);
    env::Task<Result<std::optional<sasl::Credentials>>> credentials(const Way& way, std::string host);
    env::Task<bool> transact(Connection& connection, queue::DeliveryRequest& request,
                             queue::DeliveryReport& report);
    env::Task<bool> send_content(Connection& connection, queue::ContentReader& content, bool chunked);
    queue::RecipientResult result_of(const Connection& connection,
                                     const smtp::RecipientOutcome& outcome) const;
    std::chrono::seconds timeout(smtp::Wait wait) const;
    std::unique_ptr<Connection> take_idle(const std::string& key);
    void keep(const std::string& key, std::unique_ptr<Connection> connection);
    env::Task<void> say_goodbye(std::unique_ptr<Connection> connection);

    std::string name_;
    Protocol protocol_;
    SmtpClientOptions options_;
    Services services_;
    tables::TableList policy_maps_, password_maps_;
    std::string ca_pem_;
    std::optional<env::TlsCertificate> certificate_;
    std::map<std::string, std::vector<std::unique_ptr<Connection>>> idle_;
};

}  // namespace delivery
