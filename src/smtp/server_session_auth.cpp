// ServerSession: AUTH (RFC 4954). Which mechanisms are offered, and what each outcome is answered.
#include "base/base64.hpp"
#include "base/text.hpp"
#include "smtp/server_session.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace smtp {

std::vector<std::string> ServerSession::mechanisms() const {
    std::vector<std::string> out;
    if (!auth_offer_) return out;
    out = encrypted_ ? auth_offer_->encrypted : auth_offer_->in_clear;
    if (bindings_.empty()) std::erase_if(out, [](const auto& name) { return sasl::is_bound(name); });
    return out;
}

Step ServerSession::auth(std::string_view argument) {
    if (!auth_offer_ || !auth_offer_->any()) return refuse(need("authentication not enabled"));
    if (state_ == State::Start) return refuse(need("send HELO/EHLO first"));
    if (in_transaction()) return refuse(need("MAIL transaction in progress"));
    if (!user_.empty()) return refuse(need("already authenticated"));
    const auto words = base::split_any(argument, " ");
    if (words.empty() || words.size() > 2) return refuse({501, {5, 5, 4}, "Syntax: AUTH mechanism"});
    const auto names = mechanisms();
    const auto named = [&](const std::string& name) { return base::iequals(name, words[0]); };
    if (std::ranges::none_of(names, named)) {
        if (!encrypted_ && std::ranges::any_of(auth_offer_->encrypted, named))
            return refuse({538, {5, 7, 11}, "Encryption required for requested authentication mechanism"});
        return refuse({504, {5, 5, 4}, "Error: authentication mechanism not offered"});
    }
    std::optional<std::string> initial;
    if (words.size() == 2) {
        initial = words[1] == "=" ? std::string() : base::base64_decode(words[1]);
        if (!initial) return refuse({501, {5, 5, 2}, "Error: cannot Base64-decode the response"});
    }
    sasl::ServerSetup setup;
    // Fresh for each exchange, and not to be told from an earlier one (RFC 5802 §5.1).
    setup.nonce = base::base64_encode(
        sasl::hmac(sasl::ScramHash::Sha256, auth_seed_, std::to_string(++auth_exchanges_)));
    setup.decoy = auth_offer_->decoy;
    if (std::ranges::any_of(names, sasl::is_bound)) setup.bindings = bindings_;
    setup.bearer_scope = auth_offer_->bearer_scope;
    setup.bearer_metadata = auth_offer_->bearer_metadata;
    known_as_.clear();
    mechanism_ = sasl::make_server(words[0], std::move(setup));
    if (!mechanism_) return refuse({504, {5, 5, 4}, "Error: authentication mechanism not offered"});
    return after_auth(mechanism_->start(std::move(initial)));
}

Step ServerSession::on_auth_line(std::string_view line) {
    verb_ = Verb::Auth;
    if (line == "*") return end_auth({501, {5, 7, 0}, "Authentication aborted"});
    if (line.size() > options_->auth_response_limit) return on_line_too_long();
    const auto response = base::base64_decode(line);
    if (!response) return end_auth({501, {5, 5, 2}, "Error: cannot Base64-decode the response"});
    return after_auth(mechanism_->on_response(*response));
}

Step ServerSession::end_auth(mail::ReplyText refusal) {
    if (auth_step_.kind == sasl::ServerStep::Kind::Refused)
        refused_ = mechanism_->name();
    else
        auth_step_ = {};
    mechanism_.reset();
    return refuse(std::move(refusal));
}

Step ServerSession::after_auth(sasl::ServerStep step) {
    using Kind = sasl::ServerStep::Kind;
    auth_step_ = std::move(step);
    Step out;
    switch (auth_step_.kind) {
        case Kind::Challenge:
            out.output = fmt::format("334 {}\r\n", base::base64_encode(auth_step_.challenge));
            return out;
        case Kind::CheckPassword:
        case Kind::CheckToken:
            out.next = Step::Next::CheckPassword;
            return out;
        case Kind::LookUp:
            out.next = Step::Next::LookUpVerifier;
            return out;
        case Kind::Accepted:
            return on_password(PasswordVerdict::Right, known_as_);
        case Kind::Malformed:
            return end_auth({501, {5, 5, 2}, "Error: malformed authentication response"});
        case Kind::Refused:
        case Kind::RefusedBefore:
            break;
    }
    return on_password(PasswordVerdict::Wrong);
}

Step ServerSession::on_password(PasswordVerdict verdict, std::string user) {
    // Nobody may act as another (RFC 4616: the authorization identity).
    const auto& wanted = auth_step_.authorize_as;
    const bool as_another = !wanted.empty() && wanted != auth_step_.user && wanted != user;
    if (verdict == PasswordVerdict::Unknown)
        return end_auth({454, {4, 7, 0}, "Temporary authentication failure"});
    if (verdict == PasswordVerdict::Wrong || as_another)
        return end_auth({535, {5, 7, 8}, "Error: authentication failed"});
    user_ = user.empty() ? std::move(auth_step_.user) : std::move(user);
    auth_method_ = mechanism_->name();
    mechanism_.reset();
    auth_step_ = {};
    return ok(235, {2, 7, 0}, "Authentication successful");
}

Step ServerSession::on_token_refused(sasl::TokenProblem problem) {
    return after_auth(mechanism_->on_token_refused(problem));
}

Step ServerSession::on_verifier(std::optional<sasl::ScramVerifier> verifier, sasl::ScramShape shape,
                                std::string user) {
    known_as_ = std::move(user);
    return after_auth(mechanism_->on_verifier(std::move(verifier), shape));
}

}  // namespace smtp
