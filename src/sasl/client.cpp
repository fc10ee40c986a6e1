#include "sasl/client.hpp"

#include "base/base64.hpp"
#include "base/text.hpp"
#include "sasl/scram.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace sasl {
namespace {

class Scram : public ClientMechanism {
 public:
    Scram(ScramHash hash, const Credentials& credentials, std::string nonce)
        : hash_(hash), password_(credentials.password), nonce_(std::move(nonce)) {
        first_bare_ = fmt::format("n={},r={}", escape_name(credentials.user), nonce_);
    }
    std::string_view name() const override {
        return hash_ == ScramHash::Sha1 ? "SCRAM-SHA-1" : "SCRAM-SHA-256";
    }
    std::optional<std::string> initial() override { return "n,," + first_bare_; }
    std::expected<std::string, std::string> respond(std::string_view challenge) override {
        if (state_ == State::First) return on_server_first(challenge);
        if (state_ == State::Final) {
            const auto proof = attribute(challenge, 'v');
            const auto octets = proof ? base::base64_decode(*proof) : std::nullopt;
            if (!octets || !equal_in_constant_time(*octets, server_signature_))
                return std::unexpected("the server does not know the password: it is not the one we want");
            state_ = State::Done;
            return "";
        }
        return std::unexpected("the server asks too much");
    }
    bool satisfied() const override { return state_ == State::Done; }

 private:
    std::expected<std::string, std::string> on_server_first(std::string_view challenge) {
        const auto nonce = attribute(challenge, 'r'), salt = attribute(challenge, 's'),
                   iterations = attribute(challenge, 'i');
        const auto salt_octets = salt ? base::base64_decode(*salt) : std::nullopt;
        const auto count = iterations ? base::parse_number(*iterations, scram_iterations_max) : std::nullopt;
        if (!nonce || !nonce->starts_with(nonce_) || nonce->size() == nonce_.size() || !salt_octets ||
            !count || *count < scram_iterations_min)
            return std::unexpected("the server's SCRAM challenge is malformed or too weak");
        const std::string without_proof = fmt::format("c=biws,r={}", *nonce);
        const auto proof = client_proof(hash_, password_, *salt_octets, static_cast<std::uint32_t>(*count),
                                        fmt::format("{},{},{}", first_bare_, challenge, without_proof));
        server_signature_ = proof.server_signature;
        state_ = State::Final;
        return fmt::format("{},p={}", without_proof, base::base64_encode(proof.client_proof));
    }
    enum class State { First, Final, Done } state_ = State::First;
    ScramHash hash_;
    std::string password_, nonce_, first_bare_, server_signature_;
};

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

}  // namespace

std::unique_ptr<ClientMechanism> choose(const std::vector<std::string>& offered,
                                        const Credentials& credentials, const MechanismRules& rules) {
    // Best first. A token is never sent as a password, nor the other way round: bearer mechanisms must be
    // asked for by name.
    constexpr std::string_view order[] = {"OAUTHBEARER", "XOAUTH2", "SCRAM-SHA-256", "SCRAM-SHA-1",
                                          "CRAM-MD5",    "PLAIN",   "LOGIN"};
    for (const auto name : order) {
        const bool in_clear =
            name == "PLAIN" || name == "LOGIN" || name.find("AUTH") != std::string_view::npos;
        const bool bearer = name == "OAUTHBEARER" || name == "XOAUTH2";
        const bool named =
            std::ranges::any_of(rules.only, [&](const auto& word) { return base::iequals(word, name); });
        if ((in_clear && !rules.plaintext) || (bearer && !named) || !allowed(rules.only, name)) continue;
        if (std::ranges::none_of(offered, [&](const auto& word) { return base::iequals(word, name); }))
            continue;
        if (bearer) return std::make_unique<Bearer>(credentials, rules, name == "OAUTHBEARER");
        if (name == "SCRAM-SHA-256")
            return std::make_unique<Scram>(ScramHash::Sha256, credentials, rules.nonce);
        if (name == "SCRAM-SHA-1") return std::make_unique<Scram>(ScramHash::Sha1, credentials, rules.nonce);
        if (name == "CRAM-MD5") return std::make_unique<CramMd5>(credentials);
        if (name == "PLAIN") return std::make_unique<Plain>(credentials);
        return std::make_unique<Login>(credentials);
    }
    return nullptr;
}

}  // namespace sasl
