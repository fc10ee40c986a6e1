// One certificate from one authority: account, order, proofs, request, certificate (RFC 8555 §7), as a
// session without I/O. An answer in, the next thing to do out. Every request but the first two is signed and
// carries a fresh nonce; a nonce that the server does not take is replaced, a few times (§6.5).
#pragma once

#include "acme/key.hpp"
#include "acme/messages.hpp"
#include "env/http.hpp"

#include <chrono>
#include <string>
#include <variant>
#include <vector>

namespace acme {

enum class ChallengeType { Http01, TlsAlpn01 };
std::string_view to_text(ChallengeType type);  // "http-01", "tls-alpn-01"

/// What must be shown for a name while the authority looks.
struct Proof {
    ChallengeType type = ChallengeType::Http01;
    std::string name;
    std::string token;              // base64url
    std::string key_authorization;  // RFC 8555 §8.1
};

struct OrderSettings {
    std::string directory_url;
    std::vector<std::string> names;
    std::vector<std::string> contacts;  // "mailto:…"
    enum class Terms { NotAgreed, Agreed } terms = Terms::NotAgreed;
    ChallengeType challenge = ChallengeType::Http01;
    std::string external_account;      // key id; empty: none
    std::string external_account_key;  // octets
    std::string request_der;           // the certificate request (PKCS#10)
};

class OrderSession {
 public:
    /// A request to send as it is; the answer goes to on_answer().
    struct Ask {
        env::HttpRequest request;
    };
    /// Show these, then call on_published().
    struct Publish {
        std::vector<Proof> proofs;
    };
    /// Then call on_waited().
    struct Wait {
        std::chrono::seconds time{0};
    };
    struct Done {
        std::string chain_pem;  // as the server sent it
    };
    struct Failed {
        std::string why;                     // a sentence for the administrator
        std::chrono::seconds not_before{0};  // the server's Retry-After; 0: it said nothing
    };
    using Action = std::variant<Ask, Publish, Wait, Done, Failed>;

    OrderSession(OrderSettings settings, Key account_key)
        : settings_(std::move(settings)), key_(std::move(account_key)) {}
    Action start();
    Action on_answer(const env::HttpResponse& answer);
    Action on_published();
    Action on_waited();

    static constexpr unsigned nonce_attempts_max = 5, polls_max = 120;
    static constexpr std::chrono::seconds wait_max{30}, wait_first{1};

 private:
    enum class State {
        Directory,
        Account,
        NewOrder,
        Authorizations,  // reading them one by one
        Publishing,
        Answering,  // telling the server that proofs are there
        Polling,    // until each is valid
        OrderReady,
        Finalizing,
        Certificate,
        Finished
    };
    struct Pending {
        std::string url;  // of the authorization
        std::string name;
        std::string challenge_url;
        Proof proof;
    };

    Action post(std::string url, std::string payload);
    Action send_post();
    Action ask_nonce();
    Action fail(std::string why, std::chrono::seconds not_before = std::chrono::seconds(0));
    Action fail_with(const env::HttpResponse& answer);
    Action wait(const env::HttpResponse& answer);
    Action poll();
    Action on_directory(const env::HttpResponse& answer);
    Action on_account(const env::HttpResponse& answer);
    Action on_order(const env::HttpResponse& answer);
    Action on_authorization(const env::HttpResponse& answer);
    Action on_challenge_taken();
    Action on_polled(const env::HttpResponse& answer);
    Action new_account();
    Action next_authorization();

    OrderSettings settings_;
    Key key_;
    State state_ = State::Directory;
    Directory directory_;
    std::string nonce_, account_, order_url_;
    std::string post_url_, post_payload_;
    bool asking_nonce_ = false;
    unsigned nonce_attempts_ = 0, polls_ = 0;
    Order order_;
    std::size_t at_ = 0;  // authorization or proof
    std::vector<Pending> pending_;
};

/// Of Retry-After in its form with seconds (RFC 9110 §10.2.3), a week at most; 0 without, and for a date.
std::chrono::seconds retry_after(const env::HttpResponse& answer);

}  // namespace acme
