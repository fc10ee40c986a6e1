// The envelope of a message: who sent it, to whom, and what the SMTP extensions asked for. A plain value; the
// queue stores it, policy and routing read it. RFC 5321 §2.3.1, DSN: RFC 3461, BODY: RFC 6152, SMTPUTF8: RFC
// 6531.
#pragma once

#include "mail/address.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace mail {

enum class BodyType : std::uint8_t { SevenBit, EightBitMime, BinaryMime };

/// RET= of RFC 3461 §4.3.
enum class DsnReturn : std::uint8_t { Unspecified, Full, Headers };

/// NOTIFY= of RFC 3461 §4.1, as bits. 0: not given (failure and delay as the server's default).
enum class Notify : std::uint8_t { Default = 0, Never = 1, Success = 2, Failure = 4, Delay = 8 };
constexpr Notify operator|(Notify a, Notify b) {
    return static_cast<Notify>(static_cast<std::uint8_t>(a) | static_cast<std::uint8_t>(b));
}
constexpr bool has(Notify set, Notify bit) {
    return (static_cast<std::uint8_t>(set) & static_cast<std::uint8_t>(bit)) != 0;
}

struct Recipient {
    Address address;           // where it goes now, after rewriting and expansion
    Address original;          // as the client gave it in RCPT TO
    std::string dsn_original;  // ORCPT decoded: "rfc822;ann@example.org"; empty: none
    Notify notify = Notify::Default;
    auto operator<=>(const Recipient&) const = default;
};

/// Where a message came from: for Received:, logs, restrictions and `why`.
struct Origin {
    std::string client_address;  // "192.0.2.1", "2001:db8::1", "local" for sendmail(1)
    std::string client_name;     // verified reverse name; "unknown" without one; "localhost" for pickup
    std::string reverse_name;    // unverified PTR name; "unknown" without one
    std::uint16_t client_port = 0;
    std::string helo;
    std::string protocol;  // "SMTP", "ESMTP", "ESMTPS", "ESMTPSA", "UTF8SMTPS", … (RFC 3848, RFC 6531 §4.3)
    std::string sasl_method;  // empty: not authenticated
    std::string sasl_username;
    std::string sasl_sender;   // AUTH= of MAIL FROM
    std::string tls_protocol;  // empty: not encrypted
    std::string tls_cipher;
    std::string service;  // the master.cf service, "smtpd", "submission", "pickup"
    auto operator<=>(const Origin&) const = default;
};

struct Envelope {
    ReversePath sender;
    std::vector<Recipient> recipients;
    BodyType body = BodyType::SevenBit;
    bool smtputf8 = false;
    DsnReturn dsn_return = DsnReturn::Unspecified;
    std::string dsn_envelope_id;      // ENVID decoded from xtext; empty: none
    std::uint64_t declared_size = 0;  // SIZE=, 0: not given
    Origin origin;
    // Set by policy while the message comes in:
    bool hold = false;               // HOLD: queued, not delivered
    bool from_outside = false;       // by a stranger: where it leaves again, we are its forwarder
    bool verified = false;           // our Authentication-Results stand in it, and nobody else's with our id
    bool junk = false;               // for the Junk folder (dmarc_quarantine_action)
    std::string content_filter;      // FILTER or content_filter: "transport:nexthop"; empty: none
    std::vector<std::string> trace;  // free for events: what restrictions did ("hold: …")
};

}  // namespace mail
