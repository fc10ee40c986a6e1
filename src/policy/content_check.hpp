// One message on its way through: the header is held back until it is whole, then goes on without fields that
// claim to be ours; the body streams by. At the end either the message is verified (sender authentication,
// and what the author's DMARC policy asks), or it is signed. Belongs to one connection.
#pragma once

#include "dmarc/sighting.hpp"
#include "env/loop.hpp"
#include "env/random.hpp"
#include "env/workers.hpp"
#include "mail/line_folder.hpp"
#include "mail/status.hpp"
#include "policy/authentication.hpp"
#include "policy/sender_options.hpp"
#include "policy/signing_keys.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace policy {

/// Immutable; shared by the connections of a loop.
struct ContentRules {
    SenderOptions options;
    AuthenticationRules authentication;
    SigningKeys keys;
};
/// Error: what the administrator must mend.
std::expected<std::shared_ptr<ContentRules>, std::string> make_content_rules(SenderOptions options,
                                                                             env::FileSystem& files);

/// Takes what a report will count. Called on the connection's loop; must be cheap.
using SightingSink = std::function<void(dmarc::Sighting)>;

struct ContentVerdict {
    std::optional<mail::ReplyText> refusal;
    std::string prepend;  // fields with CRLF
    bool hold = false;
    bool junk = false;      // for the Junk folder
    bool verified = false;  // what `prepend` says is ours, and nothing else in the header claims to be
    std::string note;       // for the log; empty: nothing to say
    std::optional<dmarc::Sighting> sighting;  // for the author's report; none: nobody wants one
};

class ContentCheck {
 public:
    enum class Role { Verify, Sign };
    enum class Lines {
        AsTheyAre,
        Folded  // what is signed is broken before, where the SMTP client would break it
                // (smtp_line_length_limit)
    };
    ContentCheck(std::shared_ptr<const ContentRules> rules, Role role, Lines lines = Lines::AsTheyAre);
    /// The next decoded octets (CRLF line ends); what is to be stored is appended to `out`.
    void feed(std::string_view octets, std::string& out);
    /// Behind the last octet.
    void end(std::string& out);
    Role role() const { return role_; }
    /// Role Sign, after end(): there is a key for this author.
    bool signs() const { return !keys_.empty(); }

    struct World {
        env::Resolver& resolver;
        env::Random& random;
        env::Loop& loop;
    };
    /// Role Verify, once, after end().
    env::Task<ContentVerdict> verify(World world, SendingClient client);
    /// Role Sign, once, after end(): DKIM-Signature fields with CRLF; "" when no key is for this author.
    /// `added`: fields that will stand before the message, and are signed with it.
    env::Task<std::string> sign(env::Workers& workers, std::string added, std::uint64_t now);

 private:
    void take(std::string_view octets, std::string& out);
    void header_done(std::string& out);
    std::optional<mail::ReplyText> refusal_for(const Authentication& got, dmarc::Policy action) const;
    std::string unfit_author(const mail::Author& author) const;
    void body(std::string_view octets);
    std::shared_ptr<const ContentRules> rules_;
    Role role_;
    std::optional<mail::LineFolder> folder_;
    bool in_header_ = true, given_up_ = false;
    std::string held_;    // of the header, while it is not whole
    std::string header_;  // as it is stored, without the empty line
    std::unique_ptr<MessageAuthenticator> authenticator_;
    std::vector<SigningKey> keys_;
    std::unique_ptr<dkim::BodyHasher> hasher_;
    std::pair<dkim::Canonicalization, dkim::Canonicalization> forms_;
};

/// A whole message of ours: `content` becomes what is sent, and the fields come back that stand before it; ""
/// when there is no key for its author.
env::Task<std::string> sign_whole(std::shared_ptr<const ContentRules> rules, std::string& content,
                                  env::Workers& workers, std::uint64_t now);

}  // namespace policy
