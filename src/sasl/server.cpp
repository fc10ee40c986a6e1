#include "sasl/server.hpp"

#include "base/base64.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace sasl {
namespace {

constexpr std::size_t name_octets_max = 255;
constexpr std::size_t password_octets_max = 1024;

using Kind = ServerStep::Kind;

ServerStep challenge(std::string text) {
    ServerStep out;
    out.kind = Kind::Challenge;
    out.challenge = std::move(text);
    return out;
}
ServerStep malformed() { return {}; }

bool is_clean(std::string_view text) {
    return base::is_utf8(text) && std::ranges::none_of(text, [](char c) {
               return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
           });
}

ServerStep check(std::string authorize_as, std::string user, std::string password) {
    if (user.empty() || user.size() > name_octets_max || authorize_as.size() > name_octets_max ||
        password.size() > password_octets_max || !is_clean(user) || !is_clean(authorize_as))
        return malformed();
    ServerStep out;
    out.kind = Kind::CheckPassword;
    out.user = std::move(user);
    out.password = std::move(password);
    out.authorize_as = std::move(authorize_as);
    return out;
}

class Plain : public ServerMechanism {  // RFC 4616
 public:
    std::string_view name() const override { return "PLAIN"; }
    ServerStep start(std::optional<std::string> initial) override {
        return initial ? on_response(*initial) : challenge("");
    }
    ServerStep on_response(std::string_view response) override {
        const auto parts = base::split(response, '\0');
        if (parts.size() != 3) return malformed();
        return check(std::string(parts[0]), std::string(parts[1]), std::string(parts[2]));
    }
};

class Login : public ServerMechanism {
 public:
    std::string_view name() const override { return "LOGIN"; }
    ServerStep start(std::optional<std::string> initial) override {
        if (initial && !initial->empty()) return on_response(*initial);
        return challenge("Username:");
    }
    ServerStep on_response(std::string_view response) override {
        if (user_) return check("", std::move(*user_), std::string(response));
        user_ = response;
        return challenge("Password:");
    }

 private:
    std::optional<std::string> user_;
};

class Scram : public ServerMechanism {  // RFC 5802
 public:
    Scram(ScramHash hash, std::string nonce, std::string decoy)
        : hash_(hash), nonce_(std::move(nonce)), decoy_(std::move(decoy)) {}
    std::string_view name() const override {
        return hash_ == ScramHash::Sha1 ? "SCRAM-SHA-1" : "SCRAM-SHA-256";
    }
    ServerStep start(std::optional<std::string> initial) override {
        return initial ? on_response(*initial) : challenge("");
    }
    ServerStep on_response(std::string_view response) override {
        switch (state_) {
            case State::First:
                return on_client_first(response);
            case State::Final:
                return on_client_final(response);
            case State::Confirmed: {
                if (!response.empty()) return malformed();
                ServerStep out;
                out.kind = Kind::Accepted;
                out.user = user_;
                out.authorize_as = authorize_as_;
                return out;
            }
        }
        return malformed();
    }
    ServerStep on_verifier(std::optional<ScramVerifier> verifier) override {
        known_ = verifier.has_value();
        if (known_) {
            verifier_ = std::move(*verifier);
        } else {  // as if the user were there: a salt that is always the same for the same name
            verifier_.hash = hash_;
            verifier_.salt = hmac(ScramHash::Sha256, decoy_, user_).substr(0, 16);
            verifier_.stored_key = hmac(hash_, decoy_, "stored " + user_);
            verifier_.server_key = hmac(hash_, decoy_, "server " + user_);
        }
        server_first_ = fmt::format("r={}{},s={},i={}", client_nonce_, nonce_,
                                    base::base64_encode(verifier_.salt), verifier_.iterations);
        state_ = State::Final;
        return challenge(server_first_);
    }

 private:
    // gs2-header = "n,," or "y,," with an optional a=authzid; channel binding ("p=") is not offered.
    ServerStep on_client_first(std::string_view response) {
        if (!response.starts_with("n,") && !response.starts_with("y,")) return malformed();
        const auto comma = response.find(',', 2);
        if (comma == std::string_view::npos) return malformed();
        header_ = response.substr(0, comma + 1);
        const auto authorize = response.substr(2, comma - 2);
        first_bare_ = response.substr(comma + 1);
        if (!authorize.empty() && !authorize.starts_with("a=")) return malformed();
        const auto wanted = unescape_name(authorize.empty() ? authorize : authorize.substr(2));
        const auto name = attribute(first_bare_, 'n'), nonce = attribute(first_bare_, 'r');
        const auto user = name ? unescape_name(*name) : std::nullopt;
        constexpr std::size_t nonce_octets_max = 256;
        if (!wanted || !user || user->empty() || user->size() > name_octets_max || !is_clean(*user) ||
            !is_clean(*wanted) || !nonce || nonce->empty() || nonce->size() > nonce_octets_max ||
            !first_bare_.starts_with("n=") || attribute(first_bare_, 'm'))
            return malformed();
        user_ = *user;
        authorize_as_ = *wanted;
        client_nonce_ = *nonce;
        ServerStep out;
        out.kind = Kind::LookUp;
        out.user = user_;
        out.hash = hash_;
        return out;
    }
    ServerStep on_client_final(std::string_view response) {
        const auto proof_at = response.rfind(",p=");
        const auto binding = attribute(response, 'c'), nonce = attribute(response, 'r');
        if (proof_at == std::string_view::npos || !binding || !nonce) return malformed();
        const auto header = base::base64_decode(*binding);
        const auto proof = base::base64_decode(response.substr(proof_at + 3));
        if (!header || *header != header_ || !proof || *nonce != client_nonce_ + nonce_) return malformed();
        const std::string auth_message =
            fmt::format("{},{},{}", first_bare_, server_first_, response.substr(0, proof_at));
        if (!proof_matches(verifier_, *proof, auth_message) || !known_) {
            ServerStep out;
            out.kind = Kind::Refused;
            out.user = user_;
            return out;
        }
        state_ = State::Confirmed;
        return challenge("v=" + base::base64_encode(server_signature(verifier_, auth_message)));
    }

    enum class State { First, Final, Confirmed } state_ = State::First;
    ScramHash hash_;
    std::string nonce_, decoy_, header_, first_bare_, server_first_, client_nonce_, user_, authorize_as_;
    ScramVerifier verifier_;
    bool known_ = false;
};

}  // namespace

std::vector<std::string> server_mechanisms() { return {"SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "LOGIN"}; }

std::unique_ptr<ServerMechanism> make_server(std::string_view name, std::string nonce, std::string decoy) {
    if (base::iequals(name, "PLAIN")) return std::make_unique<Plain>();
    if (base::iequals(name, "LOGIN")) return std::make_unique<Login>();
    if (base::iequals(name, "SCRAM-SHA-256"))
        return std::make_unique<Scram>(ScramHash::Sha256, std::move(nonce), std::move(decoy));
    if (base::iequals(name, "SCRAM-SHA-1"))
        return std::make_unique<Scram>(ScramHash::Sha1, std::move(nonce), std::move(decoy));
    return nullptr;
}

}  // namespace sasl
