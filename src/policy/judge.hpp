// The judge: what the SMTP server asks at each stage (smtpd_*_restrictions), and the verdict. Belongs to one
// loop.
#pragma once

#include "env/network.hpp"
#include "env/task.hpp"
#include "mail/address.hpp"
#include "mail/envelope.hpp"
#include "mail/status.hpp"
#include "policy/side_effects.hpp"

#include <optional>
#include <string>
#include <vector>

namespace policy {

enum class Stage { Connect, Helo, Mail, Rcpt, Data, EndOfData, Etrn, Vrfy };
/// "CONNECT", "HELO", "MAIL", "RCPT", "DATA", "END-OF-MESSAGE", "ETRN", "VRFY".
std::string_view to_text(Stage stage);

/// What is known of the session when the question is asked. Strings as the peer sent them.
struct Facts {
    env::Endpoint client;
    env::Endpoint server;
    std::string client_name = "unknown";   // forward-confirmed reverse name
    std::string reverse_name = "unknown";  // unverified reverse name
    bool client_name_failed_temporarily = false;
    std::string helo;
    bool esmtp = false;
    std::string protocol;  // "SMTP", "ESMTP"
    std::optional<mail::ReversePath> sender;
    std::optional<mail::Address> recipient;
    std::string recipient_text;  // as given between the angle brackets
    std::string sender_text;
    std::size_t recipient_count = 0;  // accepted so far
    std::uint64_t size = 0;           // declared, or at EndOfData the real one
    std::string queue_id;
    std::string instance;  // the same for all questions about one message
    std::string sasl_method, sasl_username, sasl_sender;
    bool encrypted = false;
    int tls_cipher_bits = 0;
    std::string tls_protocol, tls_cipher;
    /// Of the client's certificate and its public key, in smtpd_tls_fingerprint_digest; empty: none.
    std::string client_certificate_fingerprint, client_key_fingerprint;
    bool client_certificate_verified = false;
    std::string etrn_domain;
    /// The client sent more than it was allowed to before our reply (reject_unauth_pipelining).
    bool pipelined_early = false;
};

struct Verdict {
    enum class Kind { Accept, Refuse, RefuseAndClose } kind = Kind::Accept;  // RefuseAndClose: 421, 521
    mail::ReplyText reply;                                                   // when refused
    SideEffects effects;
    bool accepted() const { return kind == Kind::Accept; }
};

class Judge {
 public:
    virtual ~Judge() = default;
    /// Anything is asked at this stage; else it need not be judged.
    virtual bool asks(Stage stage) const = 0;
    /// With smtpd_delay_reject, Connect/Helo/Mail answers come at Rcpt (the judge keeps no state between
    /// calls: it evaluates the earlier lists then). `facts` stays until the verdict is there.
    virtual env::Task<Verdict> judge(Stage stage, const Facts& facts) = 0;
};

}  // namespace policy
