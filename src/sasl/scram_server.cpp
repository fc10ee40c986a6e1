#include "sasl/scram_server.hpp"

#include "base/base64.hpp"
#include "sasl/server_grammar.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace sasl {
namespace {

constexpr std::size_t nonce_octets_max = 256;

bool is_nonce(std::string_view text) {  // printable, without comma (RFC 5802 §7)
    return !text.empty() && text.size() <= nonce_octets_max &&
           std::ranges::all_of(text, [](char c) { return base::is_print(c) && c != ' ' && c != ','; });
}

class ScramServer : public ServerMechanism {
 public:
    ScramServer(ScramHash hash, Binding binding, ServerSetup setup)
        : hash_(hash), binding_(binding), setup_(std::move(setup)) {}
    std::string_view name() const override { return scram_name(hash_, binding_); }
    ServerStep start(std::optional<std::string> initial) override {
        return initial ? on_response(*initial) : challenge_step("");
    }
    ServerStep on_response(std::string_view response) override {
        switch (state_) {
            case State::First:
                return on_client_first(response);
            case State::LookUp:
                break;
            case State::Final:
                return on_client_final(response);
            case State::Confirmed: {
                state_ = State::Ended;
                if (!response.empty()) break;
                ServerStep out;
                out.kind = ServerStep::Kind::Accepted;
                out.user = user_;
                out.authorize_as = header_.authorize_as;
                return out;
            }
            case State::Ended:
                break;
        }
        return malformed_step();
    }
    ServerStep on_verifier(std::optional<ScramVerifier> verifier, ScramShape shape) override {
        if (state_ != State::LookUp) return malformed_step();
        known_ = verifier.has_value();
        verifier_ = known_ ? std::move(*verifier) : decoy(shape);
        server_first_ = fmt::format("r={}{},s={},i={}", client_nonce_, setup_.nonce,
                                    base::base64_encode(verifier_.salt), verifier_.iterations);
        state_ = State::Final;
        return challenge_step(server_first_);
    }

 private:
    /// As if the user were there: a salt that is always the same for the same name, however it is spelt.
    ScramVerifier decoy(const ScramShape& shape) const {
        ScramVerifier out;
        out.hash = hash_;
        out.iterations = shape.iterations;
        const std::string user = base::lower(user_);
        for (char n = '0'; out.salt.size() < shape.salt_octets; ++n)
            out.salt += hmac(ScramHash::Sha256, setup_.decoy, fmt::format("salt {} {}", n, user));
        out.salt.resize(shape.salt_octets);
        out.stored_key = hmac(hash_, setup_.decoy, "stored " + user);
        out.server_key = hmac(hash_, setup_.decoy, "server " + user);
        return out;
    }

    /// RFC 5802 §6: what the client says of channel binding must fit what it chose and what was offered.
    std::string binding_problem() const {
        if (binding_ == Binding::Plus) {
            if (header_.flag != Gs2Header::Flag::Bound) return "channel binding chosen and not done";
            if (!setup_.bindings.contains(header_.binding_type))
                return "channel binding of a type this connection does not have";
            return "";
        }
        if (header_.flag == Gs2Header::Flag::Bound) return "channel binding done and not chosen";
        // It could have, and believes that we cannot: somebody took it out of our offer.
        if (header_.flag == Gs2Header::Flag::NotOffered && !setup_.bindings.empty())
            return "the client did not see that channel binding is offered: someone is in between";
        return "";
    }

    ServerStep on_client_first(std::string_view response) {
        state_ = State::Ended;
        auto header = parse_gs2_header(response);
        if (!header) return malformed_step();
        header_ = std::move(*header);
        // client-first-message-bare begins with the name and the nonce; m= is an extension that must not be
        // passed over (§5.1).
        const std::string_view bare = header_.after;
        const auto parts = base::split(bare, ',');
        if (parts.size() < 2 || !parts[0].starts_with("n=") || !parts[1].starts_with("r="))
            return malformed_step();
        const auto said = unescape_name(parts[0].substr(2));
        const auto user = said ? user_name(*said) : std::nullopt;
        if (!user || !is_nonce(parts[1].substr(2)) || attribute(bare, 'm')) return malformed_step();
        if (!header_.authorize_as.empty()) {
            auto wanted = user_name(header_.authorize_as);
            if (!wanted) return malformed_step();
            header_.authorize_as = std::move(*wanted);
        }
        user_ = *user;
        client_nonce_ = parts[1].substr(2);
        if (auto problem = binding_problem(); !problem.empty())
            return refused_step(user_, std::move(problem));
        state_ = State::LookUp;
        ServerStep out;
        out.kind = ServerStep::Kind::LookUp;
        out.user = user_;
        out.hash = hash_;
        return out;
    }

    ServerStep on_client_final(std::string_view response) {
        state_ = State::Ended;
        const auto parts = base::split(response, ',');
        const auto proof_at = response.rfind(",p=");
        if (parts.size() < 3 || !parts[0].starts_with("c=") || !parts[1].starts_with("r=") ||
            !parts.back().starts_with("p=") || attribute(response, 'm'))
            return malformed_step();
        const auto bound = base::base64_decode(parts[0].substr(2));
        const auto proof = base::base64_decode(parts.back().substr(2));
        if (!bound || !proof || parts[1].substr(2) != client_nonce_ + setup_.nonce) return malformed_step();
        const std::string auth_message =
            fmt::format("{},{},{}", header_.after, server_first_, response.substr(0, proof_at));
        std::string expected = header_.text;
        if (binding_ == Binding::Plus) expected += setup_.bindings.at(header_.binding_type);
        const bool matches = proof_matches(verifier_, *proof, auth_message);
        if (!equal_in_constant_time(*bound, expected))
            return refused_step(user_, "the channel bindings differ: someone may be in between");
        if (!matches || !known_) return refused_step(user_, "wrong password");
        state_ = State::Confirmed;
        return challenge_step("v=" + base::base64_encode(server_signature(verifier_, auth_message)));
    }

    enum class State { First, LookUp, Final, Confirmed, Ended } state_ = State::First;
    ScramHash hash_;
    Binding binding_;
    ServerSetup setup_;
    Gs2Header header_;
    std::string server_first_, client_nonce_, user_;
    ScramVerifier verifier_;
    bool known_ = false;
};

}  // namespace

std::string_view scram_name(ScramHash hash, Binding binding) {
    if (hash == ScramHash::Sha1) return binding == Binding::Plus ? "SCRAM-SHA-1-PLUS" : "SCRAM-SHA-1";
    return binding == Binding::Plus ? "SCRAM-SHA-256-PLUS" : "SCRAM-SHA-256";
}

std::unique_ptr<ServerMechanism> make_scram_server(ScramHash hash, Binding binding, ServerSetup setup) {
    return std::make_unique<ScramServer>(hash, binding, std::move(setup));
}

}  // namespace sasl
