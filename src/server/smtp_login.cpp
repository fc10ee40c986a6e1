// SmtpConnection: AUTH (RFC 4954). What the client proves, who is asked, and how failures are slowed and
// logged.
#include "base/text.hpp"
#include "server/smtp_connection.hpp"

#include <fmt/format.h>

namespace server {
namespace {

constexpr std::size_t seed_octets = 32;

}  // namespace

void SmtpConnection::offer_auth() {
    if (!service_->auth) return;
    std::string seed(seed_octets, '\0');
    services_.random.fill(seed);
    session_.offer_auth(client_.address.is_loopback() ? service_->auth_of_loopback : service_->auth,
                        std::move(seed));
}

/// What ties a login to this TLS connection; nothing where nobody can log in.
sasl::ChannelBindings SmtpConnection::channel_bindings() const {
    if (!service_->auth) return {};
    return sasl::bindings_of(*stream_);
}

bool SmtpConnection::may_log_in(const std::string& user) {
    return services_.throttle.may_try(client_.address, user, service_->throttle,
                                      services_.loop.clock().steady());
}

void SmtpConnection::logged_in(const std::string& user) {
    services_.throttle.succeeded(client_.address, user, services_.loop.clock().steady());
}

/// Says no, later with each failure, in the words that fail2ban looks for.
env::Task<void> SmtpConnection::login_failed(std::string why) {
    constexpr std::size_t user_shown_max = 255, why_shown_max = 200;
    const std::string user = session_.credentials().user;
    const auto wait =
        services_.throttle.failed(client_.address, user, service_->throttle, services_.loop.clock().steady());
    note(base::Severity::Warning,
         fmt::format("{}: SASL {} authentication failed: {}, sasl_username={}", who(), last_mechanism_,
                     base::printable(why, why_shown_max), base::printable(user, user_shown_max)));
    co_await services_.loop.sleep(wait);
}

/// Of a password or a token.
env::Task<accounts::LoginAnswer> SmtpConnection::judge_credentials() {
    const auto said = session_.credentials();
    if (!may_log_in(said.user)) co_return accounts::login_wrong("too many failures before");
    const bool token = said.kind == sasl::ServerStep::Kind::CheckToken;
    if (token && !service_->tokens) co_return accounts::login_unknown("nobody judges tokens");
    accounts::LoginAnswer answer;
    if (token) {
        answer = co_await service_->tokens->check(said.password, said.user);
    } else {
        accounts::LoginClient client{client_.address.text(), server_.address.text(),
                                     stream_->tls() != nullptr};
        answer = co_await service_->authenticator->check(said.user, said.password, std::move(client));
    }
    const bool right = answer.kind == accounts::LoginAnswer::Kind::Right;
    if (right && token && service_->authenticator->is_disabled(answer.user))
        co_return accounts::login_wrong("the account is disabled");
    co_return answer;
}

env::Task<smtp::Step> SmtpConnection::check_password() {
    using Kind = accounts::LoginAnswer::Kind;
    last_mechanism_ = session_.mechanism_name();
    const bool token = session_.credentials().kind == sasl::ServerStep::Kind::CheckToken;
    const std::string said = session_.credentials().user;
    accounts::LoginAnswer answer = co_await judge_credentials();
    if (answer.kind == Kind::Right) {
        logged_in(said.empty() ? answer.user : said);
        co_return session_.on_password(smtp::PasswordVerdict::Right, std::move(answer.user));
    }
    if (answer.kind == Kind::Unknown) {
        note(base::Severity::Warning, fmt::format("{}: SASL {} authentication cannot be checked: {}", who(),
                                                  last_mechanism_, base::printable(answer.why, 200)));
        co_return session_.on_password(smtp::PasswordVerdict::Unknown);
    }
    co_await login_failed(std::move(answer.why));
    if (token) co_return session_.on_token_refused(answer.problem);
    co_return session_.on_password(smtp::PasswordVerdict::Wrong);
}

env::Task<smtp::Step> SmtpConnection::look_up_verifier() {
    const std::string user = session_.credentials().user;
    const auto hash = session_.credentials().hash;
    last_mechanism_ = session_.mechanism_name();
    accounts::VerifierAnswer answer = co_await service_->authenticator->verifier(user, hash);
    if (!may_log_in(user)) {
        answer.verifier.reset();
        answer.why = "too many failures before";
    }
    scram_user_ = user;
    scram_why_ = std::move(answer.why);
    co_return session_.on_verifier(std::move(answer.verifier), answer.shape, std::move(answer.user));
}

/// What became of a proof that the session itself has judged: SCRAM's.
env::Task<void> SmtpConnection::after_proof() {
    if (!session_.user().empty()) {
        if (!scram_user_.empty() && session_.auth_method().starts_with("SCRAM-")) logged_in(scram_user_);
        scram_user_.clear();
        co_return;
    }
    const std::string mechanism(session_.take_refused());
    if (mechanism.empty()) co_return;
    last_mechanism_ = mechanism;
    std::string why = scram_why_.empty() ? session_.credentials().why : scram_why_;
    co_await login_failed(std::move(why));
    scram_user_.clear();
    scram_why_.clear();
}

}  // namespace server
