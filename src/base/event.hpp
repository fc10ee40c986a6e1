// Events: what happened to a message or a connection, once, typed. Logs, metrics, history (`why`) and reports
// are all readers of the same events; nothing else prints. Values only, so that an event may cross threads.
// Text fields are raw (as the peer sent them): each reader escapes for its own medium.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <variant>

namespace base {

enum class Severity { Debug, Info, Notice, Warning, Error, Fatal };

/// Free text under a service name, in Postfix's shape: "postrider/smtpd[pid]: text".
struct Note {
    Severity severity = Severity::Info;
    std::string service;  // "smtpd", "submission/smtpd", "qmgr", "local", "postrider" itself: ""
    std::string text;
};

struct ClientConnected {
    std::string service, name, address;
    std::uint16_t port = 0;
};
struct ClientDisconnected {
    std::string service, name, address;
    std::string counts;  // "ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5"
};
/// A rejected attempt, or what a restriction list did instead. queue_id empty: NOQUEUE.
struct Rejected {
    std::string service, queue_id;
    std::string stage;  // "CONNECT", "HELO", "MAIL", "RCPT", "DATA", "END-OF-MESSAGE"
    std::string name, address;
    std::string reply;  // "554 5.7.1 <ann@example.org>: Relay access denied"
    std::string sender, recipient, protocol, helo, sasl_username;
    std::string action = "reject";  // "reject_warning", "hold", "discard", "warn", …: nothing was refused
};
/// smtpd knows the queue id: "ID: client=name[address]".
struct MessageStarted {
    std::string service, queue_id, name, address, sasl_method, sasl_username, sasl_sender;
    std::string original_queue_id{}, original_client{};  // of XFORWARD: "name[address]"
};
/// cleanup: "ID: message-id=<…>".
struct MessageContents {
    std::string queue_id, message_id;
};
/// qmgr: "ID: from=<…>, size=…, nrcpt=… (queue active)".
struct MessageActive {
    std::string queue_id, sender;
    std::uint64_t size = 0;
    std::size_t recipients = 0;
};
enum class DeliveryOutcome { Sent, Deferred, Bounced, Expanded, Relayed };
/// One recipient, one attempt. delays in seconds: before queue manager / in queue / connection set-up /
/// transmission.
struct DeliveryAttempt {
    std::string service;  // "local", "virtual", "lmtp", "smtp", "pipe", "error", "discard"
    std::string queue_id, recipient, original_recipient, relay;  // relay: "none", "local", "host[addr]:port"
    double delay = 0;
    double delays[4] = {};
    std::string dsn;  // "2.0.0"
    DeliveryOutcome outcome = DeliveryOutcome::Sent;
    std::string text;  // the remote server's words, or ours
    int connection_uses = 1;
};
struct MessageRemoved {
    std::string queue_id;
};
struct MessageExpired {
    std::string queue_id, sender;
};
/// bounce: "ID: sender non-delivery notification: NEWID".
struct NotificationSent {
    std::string queue_id, kind, notification_id;
};
struct TlsEstablished {
    std::string service, name, address, protocol, cipher;
    int cipher_bits = 0, algorithm_bits = 0;
    std::string trust;  // "Anonymous", "Untrusted", "Trusted", "Verified"
    bool outbound = false;
    std::string details{};  // "key-exchange X25519 server-signature ECDSA …"; empty: not known
};

using Event = std::variant<Note, ClientConnected, ClientDisconnected, Rejected, MessageStarted,
                           MessageContents, MessageActive, DeliveryAttempt, MessageRemoved, MessageExpired,
                           NotificationSent, TlsEstablished>;

/// Thread-safe; must not block for long.
class EventSink {
 public:
    virtual ~EventSink() = default;
    virtual void emit(Event event) = 0;
    void note(Severity severity, std::string service, std::string text) {
        emit(Event{Note{severity, std::move(service), std::move(text)}});
    }
};

}  // namespace base
