// SMTP and LMTP to a next hop (RFC 5321, RFC 2033): connection reuse, pipelining, results per recipient. One
// transport object for each master.cf service; belongs to the queue manager's loop. The next hop's words are
// never trusted.
#pragma once

#include "base/event.hpp"
#include "base/parameter.hpp"
#include "env/loop.hpp"
#include "env/network.hpp"
#include "env/random.hpp"
#include "env/resolver.hpp"
#include "env/tls.hpp"
#include "queue/transport.hpp"
#include "smtp/reply_parser.hpp"

#include <deque>
#include <map>
#include <memory>

namespace delivery {

enum class Protocol { Smtp, Lmtp };

struct SmtpClientOptions {
    std::string helo_name;
    std::chrono::seconds connect_timeout{30}, helo_timeout{300}, mail_timeout{300}, rcpt_timeout{300},
        data_init_timeout{120}, data_done_timeout{600};
    std::string tls_level = "may";
    static constexpr void describe(auto& parameter) {
        using namespace std::chrono_literals;
        using O = SmtpClientOptions;
        using base::Between;
        using base::Default;
        parameter("smtp_helo_name", &O::helo_name, Default{"$myhostname"}, "The name said in EHLO and LHLO.");
        parameter("smtp_connect_timeout", &O::connect_timeout, Between{1s, 86400s}, Default{"30s"},
                  "How long to wait for a connection.");
        parameter("smtp_helo_timeout", &O::helo_timeout, Between{1s, 86400s}, Default{"300s"},
                  "How long to wait for the greeting and the reply to EHLO (RFC 5321 section 4.5.3.2.1).");
        parameter("smtp_mail_timeout", &O::mail_timeout, Between{1s, 86400s}, Default{"300s"},
                  "How long to wait for the reply to MAIL FROM.");
        parameter("smtp_rcpt_timeout", &O::rcpt_timeout, Between{1s, 86400s}, Default{"300s"},
                  "How long to wait for the reply to RCPT TO.");
        parameter("smtp_data_init_timeout", &O::data_init_timeout, Between{1s, 86400s}, Default{"120s"},
                  "How long to wait for the reply to DATA.");
        parameter("smtp_data_done_timeout", &O::data_done_timeout, Between{1s, 86400s}, Default{"600s"},
                  "How long to wait for the reply to the end of the message (RFC 5321 section 4.5.3.2.6).");
        parameter(
            "smtp_tls_security_level", &O::tls_level, Default{""},
            "Encryption to the next hop: none or may; may goes on in clear when the other side has no TLS.");
    }
};

class SmtpClientTransport : public queue::Transport {
 public:
    struct Services {
        env::Loop& loop;
        env::Network& network;
        env::Tls& tls;
        env::Resolver* resolver;  // nullptr: only addresses as next hops
        env::Random& random;
        base::EventSink& events;
    };
    SmtpClientTransport(std::string name, Protocol protocol, SmtpClientOptions options, Services services,
                        std::string queue_directory);
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
    };
    env::Task<std::expected<std::vector<Target>, Trouble>> targets(std::string next_hop);
    env::Task<std::expected<void, Trouble>> addresses_of(std::string host, std::uint16_t port,
                                                         std::vector<Target>& out);
    env::Task<std::expected<std::unique_ptr<Connection>, Trouble>> connect(
        const queue::DeliveryRequest& request);
    env::Task<std::expected<std::unique_ptr<Connection>, Trouble>> open(Target target);
    env::Task<std::expected<void, Trouble>> introduce(Connection& connection);
    env::Task<bool> transact(Connection& connection, queue::DeliveryRequest& request,
                             queue::DeliveryReport& report);
    env::Task<bool> send_content(Connection& connection, queue::ContentReader& content);
    std::unique_ptr<Connection> take_idle(const std::string& next_hop);
    void keep(const std::string& next_hop, std::unique_ptr<Connection> connection);

    std::string name_;
    Protocol protocol_;
    SmtpClientOptions options_;
    Services services_;
    std::string queue_directory_;
    std::map<std::string, std::vector<std::unique_ptr<Connection>>> idle_;
};

/// "[host]:port", "host:port", "host", "unix:path", "inet:host:port". nullopt: not one of these.
struct NextHop {
    std::string host;  // without brackets
    std::uint16_t port = 0;
    bool literal_host = false;  // in brackets: no MX
    std::string unix_path;
};
std::optional<NextHop> parse_next_hop(std::string_view text, std::uint16_t default_port);

}  // namespace delivery
