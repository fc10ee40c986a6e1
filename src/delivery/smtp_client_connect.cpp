// The way to a host that takes mail: connecting, TLS, logging in.
#include "base/base64.hpp"
#include "base/result.hpp"
#include "base/text.hpp"
#include "delivery/smtp_client.hpp"
#include "env/certificates.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace delivery {
namespace {

constexpr std::size_t nonce_octets = 18;

bool has_word(const std::vector<std::string>& words, std::string_view word) {
    return std::ranges::any_of(words, [&](const auto& one) { return base::iequals(one, word); });
}

}  // namespace

std::expected<void, std::string> SmtpClientTransport::read_certificates() {
    const auto& o = options_;
    const env::PairOfFiles pairs[] = {
        {"smtp_tls_cert_file", o.certificate_file, "smtp_tls_key_file", o.key_file},
        {"smtp_tls_eccert_file", o.ec_certificate_file, "smtp_tls_eckey_file", o.ec_key_file},
        {"smtp_tls_dcert_file", o.dsa_certificate_file, "smtp_tls_dkey_file", o.dsa_key_file}};
    if (!o.chain_files.empty()) {
        for (const auto& pair : pairs)
            if (!pair.certificate.empty())
                services_.events.note(base::Severity::Warning, name_,
                                      fmt::format("{} is not used, since smtp_tls_chain_files is set",
                                                  pair.certificate_parameter));
        TRY_ASSIGN(certificates_, env::read_chain(services_.files, "smtp_tls_chain_files", o.chain_files));
        return {};
    }
    for (const auto& pair : pairs) {
        TRY_ASSIGN(auto found, env::read_pair(services_.files, pair));
        for (auto& one : found) certificates_.push_back(std::move(one));
    }
    return {};
}

/// To the postmaster, where it went wrong in a way he wants to hear of.
void SmtpClientTransport::report_session(SmtpConnection& c) const {
    if (!c.transcript || !services_.reporting.wants(c.errors)) return;
    services_.reporting.tell({queue::SessionReport::Side::Client, c.relay, c.errors, c.transcript->text()});
}

std::chrono::seconds SmtpClientTransport::timeout(smtp::Wait wait) const {
    switch (wait) {
        case smtp::Wait::Greeting:
        case smtp::Wait::Ehlo:
        case smtp::Wait::Auth:
            return options_.helo_timeout;
        case smtp::Wait::StartTls:
            return options_.tls_timeout;
        case smtp::Wait::Xforward:
            return options_.xforward_timeout;
        case smtp::Wait::Mail:
            return options_.mail_timeout;
        case smtp::Wait::Rcpt:
            return options_.rcpt_timeout;
        case smtp::Wait::Data:
            return options_.data_init_timeout;
        case smtp::Wait::Content:
            return options_.data_transfer_timeout;
        case smtp::Wait::EndOfData:
            return options_.data_done_timeout;
        case smtp::Wait::Rset:
            return options_.reset_timeout;
        case smtp::Wait::Quit:
            return options_.quit_timeout;
    }
    return options_.helo_timeout;
}

env::Task<SmtpClientTransport::Result<std::optional<CredentialSource::Login>>> SmtpClientTransport::login(
    const Way& way, std::string host) {
    if (!credentials_) co_return std::optional<CredentialSource::Login>{};
    std::vector<std::string> keys;
    if (!way.sender.empty()) {
        keys.push_back(way.sender);
        keys.push_back(way.sender.substr(way.sender.rfind('@')));
    }
    keys.push_back(std::move(host));
    keys.push_back(way.next_hop);
    auto found = co_await credentials_->find(std::move(keys));
    if (!found) co_return std::unexpected(Trouble{{4, 3, 0}, found.error()});
    co_return std::move(*found);
}

/// STARTTLS was agreed on, or this is a wrapped connection.
env::Task<SmtpClientTransport::Result<void>> SmtpClientTransport::encrypt(SmtpConnection& c, const Way& way) {
    // What came in clear behind the reply would be taken as encrypted (response injection).
    if (c.used < c.input.size())
        co_return std::unexpected(
            Trouble{{4, 7, 5},
                    fmt::format("host {} sent more in clear behind its reply to STARTTLS", c.relay),
                    true});
    c.input.clear();
    c.used = 0;
    env::TlsClientSettings settings = handshake_settings(way.tls, c.host, way.domain);
    settings.ca_pem = ca_pem_;
    settings.ca_path = options_.ca_path;
    settings.certificates = certificates_;
    settings.session_peer = c.relay;
    settings.session_lifetime = options_.session_lifetime;
    const auto until = services_.loop.clock().steady() + options_.tls_timeout;
    auto encrypted = co_await services_.tls.connect(std::move(c.stream), std::move(settings), until);
    if (!encrypted)
        co_return std::unexpected(Trouble{
            {4, 7, 5},
            way.tls.verifies()
                ? fmt::format("Server certificate not verified or TLS failed with {}: {}", c.relay,
                              encrypted.error())
                : fmt::format("Cannot start TLS: handshake with {} failed: {}", c.relay, encrypted.error()),
            true});
    c.stream = std::move(*encrypted);
    c.session.bind_to(sasl::bindings_of(*c.stream));
    const env::TlsInfo& info = *c.stream->tls();
    if (options_.tls_log_level > 0) {
        const std::string trust = way.tls.verifies()          ? "Verified"
                                  : info.peer_problem.empty() ? "Trusted"
                                                              : "Untrusted";
        services_.events.emit(base::TlsEstablished{
            name_, c.host, c.stream->peer().address.text(), info.protocol, info.cipher, info.cipher_bits,
            info.algorithm_bits, trust, true, env::handshake_text(info)});
    }
    if (const auto violation = policy_violation(way.tls, info))
        co_return std::unexpected(Trouble{{4, 7, 5}, fmt::format("{} (host {})", *violation, c.relay)});
    co_return Result<void>{};
}

/// From the greeting to Ready.
env::Task<SmtpClientTransport::Result<void>> SmtpClientTransport::introduce(SmtpConnection& c,
                                                                            const Way& way) {
    using Next = smtp::ClientStep::Next;
    smtp::ClientStep step = c.session.start();
    for (;;) {
        const auto until = services_.loop.clock().steady() + timeout(step.wait);
        const bool sent = co_await c.say(std::move(step.output), until);
        std::optional<smtp::Reply> reply;
        switch (step.next) {
            case Next::Ready:
                co_return Result<void>{};
            case Next::StartTls: {
                auto encrypted = co_await encrypt(c, way);
                if (!encrypted) co_return std::unexpected(encrypted.error());
                step = c.session.on_tls();
                break;
            }
            case Next::Reply:
                if (sent) reply = co_await c.reply(until);
                if (!reply)
                    co_return std::unexpected(Trouble{{4, 4, 2},
                                                      fmt::format("{} with {} while {}", c.problem, c.relay,
                                                                  smtp::to_text(c.session.waiting_for())),
                                                      c.session.waiting_for() == smtp::Wait::StartTls});
                step = c.session.on_reply(*reply);
                break;
            default: {
                const auto& found = c.session.trouble();
                if (found.protocol) c.errors.add(mail::ErrorClass::Protocol);
                Trouble trouble{found.status, found.text, found.tls};
                if (found.login) trouble.refused_login = c.login;
                co_return std::unexpected(std::move(trouble));
            }
        }
    }
}

/// A stream to the host, from smtp_bind_address where it can be.
env::Task<SmtpClientTransport::Result<std::unique_ptr<env::Stream>>> SmtpClientTransport::reach(
    Target target, std::string shown) {
    env::ConnectOptions how;
    const auto& from = target.endpoint.address.is_v4() ? options_.bind_address : options_.bind_address6;
    if (const auto address = env::IpAddress::parse(from)) how.bind_address = *address;
    const auto until = services_.loop.clock().steady() + options_.connect_timeout;
    auto stream = co_await services_.network.connect(target.endpoint, how, until);
    if (!stream && stream.error() == env::IoError::AddressNotAvailable && how.bind_address) {
        services_.events.note(base::Severity::Warning, name_,
                              fmt::format("smtp_bind_address: this machine has no address {}", from));
        how.bind_address.reset();
        if (!options_.bind_address_enforce)
            stream = co_await services_.network.connect(target.endpoint, how, until);
    }
    if (!stream)
        co_return std::unexpected(
            Trouble{{4, 4, 1}, fmt::format("connect to {}: {}", shown, env::to_text(stream.error()))});
    co_return std::move(*stream);
}

env::Task<SmtpClientTransport::Result<smtp::ClientSettings>> SmtpClientTransport::session_settings(
    const Target& target, const Way& way, std::string shown, bool without_tls,
    std::optional<CredentialSource::Login> login) {
    smtp::ClientSettings out;
    out.protocol = protocol_ == Protocol::Lmtp ? smtp::ClientSettings::Protocol::Lmtp
                                               : smtp::ClientSettings::Protocol::Smtp;
    out.tls = without_tls || way.tls.level <= ClientTlsLevel::None ? smtp::ClientSettings::Tls::Never
              : way.tls.mandatory()                                ? smtp::ClientSettings::Tls::Must
                                                                   : smtp::ClientSettings::Tls::May;
    out.encrypted = options_.wrapper_mode;
    using Ehlo = smtp::ClientSettings::Ehlo;
    out.ehlo = options_.never_ehlo ? Ehlo::Never : options_.always_ehlo ? Ehlo::Always : Ehlo::WhereGreeted;
    out.helo_name = options_.helo_name;
    out.host = std::move(shown);
    out.server_name = target.host;
    out.port = target.endpoint.port;
    out.discarded_keywords = options_.discarded_keywords;
    if (!discarded_keyword_maps_.empty() && !target.endpoint.is_unix()) {
        auto found = co_await discarded_keyword_maps_.lookup(target.endpoint.address.text());
        if (!found)
            co_return std::unexpected(
                Trouble{{4, 3, 0}, "smtp_discard_ehlo_keyword_address_maps: " + found.error().text});
        const std::string keywords = found->value_or("");
        for (const auto keyword : base::split_any(keywords, ", \t"))
            out.discarded_keywords.emplace_back(keyword);
    }
    out.refused_greeting_is_temporary = options_.skip_5xx_greeting;
    out.refused_login_is_temporary = options_.login_soft_bounce;
    if (!login) co_return out;
    out.credentials = std::move(login->credentials);
    out.mechanisms = options_.mechanism_filter;
    out.plaintext_in_clear =
        way.tls.level == ClientTlsLevel::None && !has_word(options_.security_options, "noplaintext");
    if (has_word(options_.tls_security_options, "noplaintext"))
        for (const auto* name : {"!PLAIN", "!LOGIN", "!OAUTHBEARER", "!XOAUTH2"})
            out.mechanisms.emplace_back(name);
    std::string octets(nonce_octets, '\0');
    services_.random.fill(octets);
    out.nonce = base::base64_encode(octets);
    co_return out;
}

env::Task<SmtpClientTransport::Result<std::unique_ptr<SmtpConnection>>> SmtpClientTransport::open(
    Target target, const Way& way, bool without_tls) {
    auto& clock = services_.loop.clock();
    const auto begun = clock.steady();
    const std::string shown =
        target.endpoint.is_unix()
            ? target.host
            : fmt::format("{}[{}]:{}", target.host, target.endpoint.address.text(), target.endpoint.port);
    auto stream = co_await reach(target, shown);
    if (!stream) co_return std::unexpected(stream.error());
    auto known = co_await login(way, target.host);
    if (!known) co_return std::unexpected(known.error());
    auto settings = co_await session_settings(target, way, shown, without_tls, *known);
    if (!settings) co_return std::unexpected(settings.error());
    auto c = std::make_unique<SmtpConnection>(std::move(*settings));
    c->stream = std::move(*stream);
    c->host = target.host;
    c->relay = shown;
    c->endpoint = target.endpoint;
    c->reply_filter = &reply_filter_;
    c->login = std::move(*known);
    if (services_.reporting.tell && !services_.reporting.wanted.empty())
        c->transcript = std::make_unique<smtp::Transcript>(smtp::Transcript::Side::Client);
    if (options_.wrapper_mode) {
        auto encrypted = co_await encrypt(*c, way);
        if (!encrypted) co_return std::unexpected(encrypted.error());
    }
    auto introduced = co_await introduce(*c, way);
    if (!introduced) {
        if (c->stream) c->stream->close();
        if (!way.about_notice) report_session(*c);
        co_return std::unexpected(introduced.error());
    }
    c->begun = begun;
    c->setup_seconds = std::chrono::duration<double>(clock.steady() - begun).count();
    co_return c;
}

env::Task<SmtpClientTransport::Result<std::unique_ptr<SmtpConnection>>> SmtpClientTransport::connect(
    Target target, const Way& way) {
    auto connection = co_await open(target, way, false);
    if (connection) co_return connection;
    const Trouble trouble = connection.error();
    if (trouble.refused_login && credentials_->refused(*trouble.refused_login)) {
        auto fresh = co_await login(way, target.host);
        const auto& old = trouble.refused_login->credentials;
        if (fresh && *fresh && (*fresh)->credentials.password != old.password) {
            services_.events.note(base::Severity::Info, name_, trouble.text + "; trying with a fresh token");
            connection = co_await open(target, way, false);
        }
        co_return connection;
    }
    if (!trouble.tls || way.tls.level != ClientTlsLevel::May) co_return connection;
    // Where we log in, what is wrong with TLS is told, instead of a password not sent in clear.
    auto known = co_await login(way, target.host);
    if (!known || *known) co_return connection;
    services_.events.note(base::Severity::Info, name_, trouble.text + "; trying without TLS");
    auto in_clear = co_await open(target, way, true);
    co_return in_clear;
}

}  // namespace delivery
