// The real env::Tls on OpenSSL 3: a Stream over a Stream through memory buffers (docs/decisions/0005).
// TLS 1.2 and later unless configured otherwise, no renegotiation, no compression. Belongs to its loop;
// contexts may be shared.
#pragma once

#include "env/loop.hpp"
#include "env/tls.hpp"
#include "platform/certificate_facts.hpp"
#include "platform/ticket_keys.hpp"
#include "platform/tls_client_cache.hpp"

#include <expected>
#include <string>
#include <vector>

namespace platform {

class OpenSslTls : public env::Tls {
 public:
    OpenSslTls() = default;
    /// Servers share `tickets` between their loops; without, each context has keys of its own.
    explicit OpenSslTls(std::shared_ptr<TicketKeys> tickets) : tickets_(std::move(tickets)) {}
    std::expected<std::shared_ptr<const env::TlsServerContext>, std::string> make_server_context(
        const env::TlsServerSettings& settings) override;
    env::Task<std::expected<std::unique_ptr<env::Stream>, std::string>> accept(
        std::unique_ptr<env::Stream> plain, std::shared_ptr<const env::TlsServerContext> context,
        env::SteadyTime deadline) override;
    env::Task<std::expected<std::unique_ptr<env::Stream>, std::string>> connect(
        std::unique_ptr<env::Stream> plain, env::TlsClientSettings settings,
        env::SteadyTime deadline) override;

 private:
    std::shared_ptr<TicketKeys> tickets_;
    std::shared_ptr<TlsClientCache> client_cache_ = std::make_shared<TlsClientCache>();
};

}  // namespace platform
