// SmtpConnection: TLS, from the start or by STARTTLS (RFC 3207).
#include "server/smtp_connection.hpp"

#include <fmt/format.h>

namespace server {
namespace {

/// Stands in when a failed handshake took the stream with it.
class ClosedStream : public env::Stream {
 public:
    env::Task<std::expected<std::size_t, env::IoError>> read_some(std::span<char>, env::SteadyTime) override {
        co_return std::unexpected(env::IoError::Closed);
    }
    env::Task<std::expected<void, env::IoError>> write(std::string_view, env::SteadyTime) override {
        co_return std::unexpected(env::IoError::Closed);
    }
    env::Task<std::expected<void, env::IoError>> wait_readable(env::SteadyTime) override {
        co_return std::unexpected(env::IoError::Closed);
    }
    env::Task<void> shutdown(env::SteadyTime) override { co_return; }
    void close() override {}
    env::Endpoint local() const override { return {}; }
    env::Endpoint peer() const override { return {}; }
};

}  // namespace

env::Task<bool> SmtpConnection::handshake() {
    if (limited_) {
        const auto over = services_.limits.count(client_.address, ClientLimits::Kind::TlsSession,
                                                 service_->limits, services_.loop.clock().steady());
        if (over) {
            note(base::Severity::Warning, fmt::format("{} for service {}", *over, service_->name));
            closed_ = true;
            co_return false;
        }
    }
    auto encrypted =
        co_await services_.tls.accept(std::move(stream_), service_->tls,
                                      services_.loop.clock().steady() + service_->options->starttls_timeout);
    if (!encrypted) {
        note(base::Severity::Info, fmt::format("SSL_accept error from {}: {}", who(), encrypted.error()));
        stream_ = std::make_unique<ClosedStream>();
        closed_ = true;
        co_return false;
    }
    stream_ = std::move(*encrypted);
    if (const auto* tls = stream_->tls(); tls && service_->tls_log_level > 0) {
        const std::string trust = tls->peer_fingerprint.empty() ? "Anonymous"
                                  : tls->peer_problem.empty()   ? "Trusted"
                                                                : "Untrusted";
        services_.events.emit(base::TlsEstablished{
            service_->name, client_name_, client_.address.text(), tls->protocol, tls->cipher,
            tls->cipher_bits, tls->algorithm_bits, trust, false, env::handshake_text(*tls)});
    }
    co_return true;
}

env::Task<smtp::Step> SmtpConnection::start_tls() {
    // What was sent in clear behind STARTTLS must never be taken as encrypted (RFC 3207 §5).
    input_.clear();
    used_ = 0;
    lines_.reset();
    const bool sent = co_await flush();
    if (!sent) co_return smtp::Step{};
    const bool shaken = co_await handshake();
    if (!shaken) co_return smtp::Step{};
    co_return session_.on_tls(channel_bindings());
}

}  // namespace server
