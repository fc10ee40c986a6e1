#include "sasl/bearer.hpp"

#include "sasl/server_grammar.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace sasl {
namespace {

constexpr char separator = '\x01';

bool is_token(std::string_view text) {  // b64token (RFC 6750 §2.1)
    while (text.ends_with('=')) text.remove_suffix(1);
    constexpr std::string_view others = "-._~+/";
    return !text.empty() && std::ranges::all_of(text, [&](char c) {
        return base::is_alnum(c) || others.find(c) != std::string_view::npos;
    });
}

/// key=value pairs, each ended by ^A, and a ^A at the end of all. False: malformed.
template <class Take>
bool take_pairs(std::string_view text, Take take) {
    if (!text.ends_with(separator)) return false;
    text.remove_suffix(1);
    while (!text.empty()) {
        const auto end = text.find(separator), equals = text.find('=');
        if (end == std::string_view::npos || equals == 0 || equals > end) return false;
        if (!std::ranges::all_of(text.substr(0, equals), base::is_alpha)) return false;
        if (!take(text.substr(0, equals), text.substr(equals + 1, end - equals - 1))) return false;
        text.remove_prefix(end + 1);
    }
    return true;
}

/// The value of "auth". False: not a bearer token.
bool take_token(std::string_view value, BearerMessage& out) {
    constexpr std::string_view scheme = "Bearer ";
    if (value.empty()) return true;
    if (!base::istarts_with(value, scheme) || !out.token.empty()) return false;
    const auto token = base::trim(value.substr(scheme.size()));
    if (!is_token(token)) return false;
    out.token = token;
    return true;
}

class BearerServer : public ServerMechanism {
 public:
    BearerServer(BearerForm form, ServerSetup setup) : form_(form), setup_(std::move(setup)) {}
    std::string_view name() const override {
        return form_ == BearerForm::Oauthbearer ? "OAUTHBEARER" : "XOAUTH2";
    }
    ServerStep start(std::optional<std::string> initial) override {
        return initial ? on_response(*initial) : challenge_step("");
    }
    ServerStep on_response(std::string_view response) override {
        ServerStep out;
        if (told_) {  // ^A or nothing (RFC 7628 §3.2.3): whatever it is, the exchange has failed
            out.kind = ServerStep::Kind::RefusedBefore;
            return out;
        }
        auto message =
            form_ == BearerForm::Oauthbearer ? parse_oauthbearer(response) : parse_xoauth2(response);
        if (!message) return malformed_step();
        if (message->token.empty()) return on_token_refused(TokenProblem::InvalidToken);
        out.kind = ServerStep::Kind::CheckToken;
        out.user = std::move(message->user);
        out.password = std::move(message->token);
        return out;
    }
    ServerStep on_token_refused(TokenProblem problem) override {
        told_ = true;
        nlohmann::ordered_json error;
        error["status"] = problem == TokenProblem::InsufficientScope ? "insufficient_scope" : "invalid_token";
        if (form_ == BearerForm::Xoauth2) {  // what its clients know
            error["status"] = "401";
            error["schemes"] = "bearer";
        }
        if (!setup_.bearer_scope.empty()) error["scope"] = setup_.bearer_scope;
        if (!setup_.bearer_metadata.empty()) error["openid-configuration"] = setup_.bearer_metadata;
        return challenge_step(error.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace));
    }

 private:
    BearerForm form_;
    ServerSetup setup_;
    bool told_ = false;
};

}  // namespace

std::optional<BearerMessage> parse_oauthbearer(std::string_view message) {
    const auto header = parse_gs2_header(message);
    if (!header || header->flag == Gs2Header::Flag::Bound || !header->after.starts_with(separator))
        return std::nullopt;
    BearerMessage out;
    if (!header->authorize_as.empty()) {
        auto user = user_name(header->authorize_as);
        if (!user) return std::nullopt;
        out.user = std::move(*user);
    }
    bool auth = false;
    const bool good = take_pairs(std::string_view(header->after).substr(1), [&](auto key, auto value) {
        if (key != "auth") return true;  // host, port and what else there may be (§3.1)
        auth = true;
        return take_token(value, out);
    });
    return good && auth ? std::optional(std::move(out)) : std::nullopt;
}

std::optional<BearerMessage> parse_xoauth2(std::string_view message) {
    BearerMessage out;
    bool auth = false;
    const bool good = take_pairs(message, [&](auto key, auto value) {
        if (key == "user") {
            auto user = user_name(value);
            if (user) out.user = std::move(*user);
            return user.has_value();
        }
        if (key != "auth") return true;
        auth = true;
        return take_token(value, out);
    });
    return good && auth && !out.user.empty() ? std::optional(std::move(out)) : std::nullopt;
}

std::unique_ptr<ServerMechanism> make_bearer_server(BearerForm form, ServerSetup setup) {
    return std::make_unique<BearerServer>(form, std::move(setup));
}

}  // namespace sasl
