// What the queue asks of a delivery transport, and what it hears back. delivery/ implements it; the queue
// knows transports only by this interface and by name.
#pragma once

#include "env/clock.hpp"
#include "env/task.hpp"
#include "mail/envelope.hpp"
#include "mail/status.hpp"
#include "queue/queue_id.hpp"

#include <chrono>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <vector>

namespace queue {

/// Reads a stored message's content (CRLF line ends) from front to back in bounded pieces.
class ContentReader {
 public:
    virtual ~ContentReader() = default;
    /// The next piece; empty at the end. Error: the store failed (a temporary failure for every recipient).
    virtual env::Task<std::expected<std::string, std::string>> next() = 0;
    virtual std::uint64_t size() const = 0;
    virtual void rewind() = 0;
};

struct RecipientResult {
    enum class Kind {
        Delivered,
        Expanded,  // replaced by other recipients (aliases): done here, no success DSN of our own
        Deferred,  // try again later
        Failed,    // permanent: bounce
    };
    Kind kind = Kind::Deferred;
    mail::Status status{4, 0, 0};
    std::string relay = "none";  // "host[addr]:port", "local", "virtual", "none"
    std::string
        text;  // for logs and bounces: "host mx[192.0.2.1] said: 550 5.1.1 … (in reply to RCPT TO command)"
    std::string remote_mta;  // for the DSN's Remote-MTA; empty: none
    std::string diagnostic;  // for the DSN's Diagnostic-Code: "smtp; 550 5.1.1 …"; empty: none
    bool greylisted = false;
    bool destination_failed = false;  // connection-level: the destination as a whole, not this message
    bool relayed = false;             // to another mail system, not into a mailbox
    bool dsn_passed_on = false;       // the next hop took over success/delay notification (RFC 3461 §5.2)
};

/// Recipients that share one transport and next hop, of one message.
struct DeliveryRequest {
    QueueId id;
    std::shared_ptr<const mail::Envelope> envelope;
    std::vector<mail::Recipient> recipients;
    std::string transport;  // its master.cf name
    std::string
        next_hop;  // "example.com", "[192.0.2.1]:2525", "unix:/run/lmtp"; empty: the recipient's domain
    std::unique_ptr<ContentReader> content;
    env::WallTime arrived;
    int attempt = 0;  // 0: first
};

struct DeliveryReport {
    std::vector<RecipientResult> recipients;  // same order and size as the request's
    double setup_seconds = 0;                 // "c" of delays=a/b/c/d
    double transmission_seconds = 0;          // "d"
    int connection_uses = 1;
    std::string program;  // for the log: what delivers; empty: the transport's own name says it
};

/// Belongs to the queue manager's loop; any number of deliveries may be under way.
class Transport {
 public:
    virtual ~Transport() = default;
    virtual env::Task<DeliveryReport> deliver(DeliveryRequest request) = 0;
};

/// Where a recipient goes: asked when a message becomes active, so a changed configuration is honoured.
struct Route {
    std::string transport;
    std::string next_hop;
    mail::Address recipient;  // possibly rewritten
};
struct RouteError {
    mail::Status status;  // 4.x.x deferred, 5.x.x bounced
    std::string text;
};
class Router {
 public:
    virtual ~Router() = default;
    virtual env::Task<std::expected<Route, RouteError>> route(mail::ReversePath sender,
                                                              mail::Address recipient) = 0;
    /// Through a content filter, "transport:nexthop", whoever the recipient is.
    virtual std::expected<Route, RouteError> filter_route(std::string_view filter,
                                                          mail::Address recipient) = 0;
};

}  // namespace queue
