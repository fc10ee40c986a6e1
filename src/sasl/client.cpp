#include "sasl/client.hpp"

#include "base/text.hpp"
#include "sasl/scram.hpp"
#include "sasl/scram_client.hpp"
#include "sasl/server.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace sasl {
namespace {

class CramMd5 : public ClientMechanism {  // RFC 2195
 public:
    explicit CramMd5(Credentials credentials) : credentials_(std::move(credentials)) {}
    std::string_view name() const override { return "CRAM-MD5"; }
    std::optional<std::string> initial() override { return std::nullopt; }
    std::expected<std::string, std::string> respond(std::string_view challenge) override {
        return credentials_.user + " " + base::to_hex(hmac_md5(credentials_.password, challenge));
    }

 private:
    Credentials credentials_;
};

class Plain : public ClientMechanism {  // RFC 4616
 public:
    explicit Plain(Credentials credentials) : credentials_(std::move(credentials)) {}
    std::string_view name() const override { return "PLAIN"; }
    std::optional<std::string> initial() override {
        return std::string(1, '\0') + credentials_.user + '\0' + credentials_.password;
    }
    std::expected<std::string, std::string> respond(std::string_view) override {
        return std::unexpected("the server asks too much");
    }

 private:
    Credentials credentials_;
};

class Login : public ClientMechanism {  // draft-murchison-sasl-login
 public:
    explicit Login(Credentials credentials) : credentials_(std::move(credentials)) {}
    std::string_view name() const override { return "LOGIN"; }
    std::optional<std::string> initial() override { return std::nullopt; }
    std::expected<std::string, std::string> respond(std::string_view) override {
        switch (said_++) {
            case 0:
                return credentials_.user;
            case 1:
                return credentials_.password;
            default:
                return std::unexpected("the server asks too much");
        }
    }

 private:
    Credentials credentials_;
    int said_ = 0;
};

class Bearer : public ClientMechanism {  // RFC 7628, and its older form XOAUTH2
 public:
    Bearer(const Credentials& credentials, const MechanismRules& rules, bool standard) : standard_(standard) {
        initial_ = standard ? fmt::format(
                                  "n,a={},\x01host={}\x01port={}\x01"
                                  "auth=Bearer {}\x01\x01",
                                  escape_name(credentials.user), rules.host, rules.port, credentials.password)
                            : fmt::format(
                                  "user={}\x01"
                                  "auth=Bearer {}\x01\x01",
                                  credentials.user, credentials.password);
    }
    std::string_view name() const override { return standard_ ? "OAUTHBEARER" : "XOAUTH2"; }
    std::optional<std::string> initial() override { return initial_; }
    /// A challenge is the server's error: it is answered, and then the server says no.
    std::expected<std::string, std::string> respond(std::string_view) override {
        return standard_ ? std::string(1, '\x01') : std::string();
    }

 private:
    bool standard_;
    std::string initial_;
};

bool allowed(const std::vector<std::string>& only, std::string_view name) {
    bool any_positive = false;
    for (const auto& word : only) {
        if (word.starts_with('!')) {
            if (base::iequals(std::string_view(word).substr(1), name)) return false;
            continue;
        }
        any_positive = true;
        if (base::iequals(word, name)) return true;
    }
    return !any_positive;
}

// Best first. A token is never sent as a password, nor the other way round: bearer mechanisms must be asked
// for by name.
constexpr std::string_view client_order[] = {"OAUTHBEARER",
                                             "XOAUTH2",
                                             "SCRAM-SHA-256-PLUS",
                                             "SCRAM-SHA-256",
                                             "SCRAM-SHA-1-PLUS",
                                             "SCRAM-SHA-1",
                                             "CRAM-MD5",
                                             "PLAIN",
                                             "LOGIN"};

/// RFC 5802 §6. `is_offered`: by the server.
template <class IsOffered>
ScramBinding binding_for(std::string_view name, const MechanismRules& rules, const IsOffered& is_offered) {
    ScramBinding out;
    if (rules.bindings.empty()) return out;
    if (!is_bound(name)) {
        if (!is_offered(std::string(name) + "-PLUS")) out.flag = Gs2Header::Flag::NotOffered;
        return out;
    }
    out.flag = Gs2Header::Flag::Bound;
    for (const auto type : channel_binding_types) {
        const auto found = rules.bindings.find(type);
        if (found == rules.bindings.end()) continue;
        out.type = found->first;
        out.octets = found->second;
        break;
    }
    return out;
}

}  // namespace

std::unique_ptr<ClientMechanism> choose(const std::vector<std::string>& offered,
                                        const Credentials& credentials, const MechanismRules& rules) {
    const auto is_offered = [&](std::string_view name) {
        return std::ranges::any_of(offered, [&](const auto& word) { return base::iequals(word, name); });
    };
    for (const auto name : client_order) {
        const bool bearer = is_bearer(name);
        const bool in_clear = name == "PLAIN" || name == "LOGIN" || bearer;
        const bool named =
            std::ranges::any_of(rules.only, [&](const auto& word) { return base::iequals(word, name); });
        if ((in_clear && !rules.plaintext) || (bearer && !named) || !allowed(rules.only, name)) continue;
        if (!is_offered(name) || (is_bound(name) && rules.bindings.empty())) continue;
        if (bearer) return std::make_unique<Bearer>(credentials, rules, name == "OAUTHBEARER");
        if (name == "CRAM-MD5") return std::make_unique<CramMd5>(credentials);
        if (name == "PLAIN") return std::make_unique<Plain>(credentials);
        if (name == "LOGIN") return std::make_unique<Login>(credentials);
        const auto hash = name.starts_with("SCRAM-SHA-1") ? ScramHash::Sha1 : ScramHash::Sha256;
        return make_scram_client(hash, credentials, rules.nonce, binding_for(name, rules, is_offered));
    }
    return nullptr;
}

}  // namespace sasl
