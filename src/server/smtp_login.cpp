// SmtpConnection: AUTH (RFC 4954). What the client proves, who is asked, and how failures are slowed and
// logged.
#include "base/base64.hpp"
#include "base/text.hpp"
#include "server/smtp_connection.hpp"

#include <fmt/format.h>

namespace server {
namespace {

constexpr std::size_t nonce_octets = 18;

}  // namespace

void SmtpConnection::offer_auth() {
    std::string octets(nonce_octets, '\0');
    services_.random.fill(octets);
    session_.offer_auth(client_.address.is_loopback() ? service_->auth_of_loopback : service_->auth,
                        base::base64_encode(octets));
}

/// Says no, later with each failure, in the words that fail2ban looks for.
env::Task<void> SmtpConnection::login_failed(std::string why) {
    const std::string user = base::printable(session_.credentials().user, 255);
    const auto wait = services_.throttle.failed(client_.address.text(), user, service_->throttle,
                                                services_.loop.clock().steady());
    co_await services_.loop.sleep(wait);
    note(base::Severity::Warning, fmt::format("{}: SASL {} authentication failed: {}, sasl_username={}",
                                              who(), last_mechanism_, base::printable(why, 200), user));
}

env::Task<smtp::Step> SmtpConnection::check_password() {
    const auto& said = session_.credentials();
    const std::string user = said.user, password = said.password, address = client_.address.text();
    last_mechanism_ = session_.mechanism_name();
    const bool may_try =
        services_.throttle.may_try(address, user, service_->throttle, services_.loop.clock().steady());
    accounts::LoginAnswer answer;
    answer.kind = accounts::LoginAnswer::Kind::Wrong;
    answer.why = "too many failures before";
    if (may_try) {
        accounts::LoginClient client{address, server_.address.text(), stream_->tls() != nullptr};
        answer = co_await service_->authenticator->check(user, password, std::move(client));
    }
    switch (answer.kind) {
        case accounts::LoginAnswer::Kind::Right:
            services_.throttle.succeeded(address, user, service_->throttle, services_.loop.clock().steady());
            co_return session_.on_password(smtp::PasswordVerdict::Right, std::move(answer.user));
        case accounts::LoginAnswer::Kind::Unknown:
            note(base::Severity::Warning,
                 fmt::format("{}: SASL {} authentication cannot be checked: {}", who(), last_mechanism_,
                             base::printable(answer.why, 200)));
            co_return session_.on_password(smtp::PasswordVerdict::Unknown);
        case accounts::LoginAnswer::Kind::Wrong:
            break;
    }
    co_await login_failed(std::move(answer.why));
    co_return session_.on_password(smtp::PasswordVerdict::Wrong);
}

env::Task<smtp::Step> SmtpConnection::look_up_verifier() {
    const auto said = session_.credentials();
    last_mechanism_ = session_.mechanism_name();
    std::optional<sasl::ScramVerifier> verifier;
    if (services_.throttle.may_try(client_.address.text(), said.user, service_->throttle,
                                   services_.loop.clock().steady()))
        verifier = co_await service_->authenticator->verifier(said.user, said.hash);
    co_return session_.on_verifier(std::move(verifier));
}

}  // namespace server
