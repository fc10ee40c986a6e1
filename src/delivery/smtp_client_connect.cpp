// The way to a host that takes mail: which hosts, connecting, TLS, logging in.
#include "base/base64.hpp"
#include "base/text.hpp"
#include "delivery/smtp_client.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace delivery {
namespace {

constexpr std::uint64_t token_octets_max = 64 * 1024;
constexpr std::size_t nonce_octets = 18;

bool has_word(const std::vector<std::string>& words, std::string_view word) {
    return std::ranges::any_of(words, [&](const auto& one) { return base::iequals(one, word); });
}

}  // namespace

std::chrono::seconds SmtpClientTransport::timeout(smtp::Wait wait) const {
    switch (wait) {
        case smtp::Wait::Greeting:
        case smtp::Wait::Ehlo:
        case smtp::Wait::Auth:
            return options_.helo_timeout;
        case smtp::Wait::StartTls:
            return options_.tls_timeout;
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

env::Task<SmtpClientTransport::Result<std::vector<SmtpClientTransport::Target>>> SmtpClientTransport::targets(
    std::string next_hop) {
    const auto hop = parse_next_hop(next_hop, protocol_ == Protocol::Lmtp ? 24 : 25);
    if (!hop)
        co_return std::unexpected(
            Trouble{{5, 3, 5}, fmt::format("bad next hop '{}'", base::printable(next_hop, 255))});
    std::vector<Target> out;
    if (!hop->unix_path.empty()) {
        const std::string path = socket_path(services_.queue_directory, hop->unix_path);
        out.push_back({env::Endpoint{{}, 0, path}, path});
        co_return out;
    }
    const auto literal = env::IpAddress::parse(hop->host);
    if (literal) {
        out.push_back({env::Endpoint{*literal, hop->port, {}}, hop->host});
        co_return out;
    }
    if (!services_.resolver)
        co_return std::unexpected(Trouble{{4, 4, 3}, "no name service: only addresses can be reached"});
    using Rules = routing::MailHostRules;
    Rules rules;
    const auto protocols = base::lower(options_.inet_protocols);
    rules.families = protocols == "ipv4"   ? Rules::Families::V4
                     : protocols == "ipv6" ? Rules::Families::V6
                                           : Rules::Families::Any;
    rules.prefer = options_.address_preference == AddressPreference::V4   ? Rules::Prefer::V4
                   : options_.address_preference == AddressPreference::V6 ? Rules::Prefer::V6
                                                                          : Rules::Prefer::Any;
    const bool look_up_mx = protocol_ == Protocol::Smtp && !hop->literal_host;
    constexpr std::uint16_t smtp_port = 25;
    if (look_up_mx && hop->port == smtp_port) rules.own_addresses = services_.own_addresses;
    routing::MailHosts hosts;
    if (look_up_mx)
        hosts = co_await routing::find_mail_hosts(*services_.resolver, services_.random, hop->host, rules);
    else
        hosts = co_await routing::find_host(*services_.resolver, services_.random, hop->host, rules);
    if (!hosts) co_return std::unexpected(Trouble{hosts.error().status, hosts.error().text});
    for (const auto& host : *hosts) out.push_back({env::Endpoint{host.address, hop->port, {}}, host.name});
    co_return out;
}

env::Task<SmtpClientTransport::Result<std::optional<sasl::Credentials>>> SmtpClientTransport::credentials(
    const Way& way, std::string host) {
    std::vector<std::string> keys;
    if (!way.sender.empty()) {
        keys.push_back(way.sender);
        keys.push_back(way.sender.substr(way.sender.rfind('@')));
    }
    keys.push_back(host);
    keys.push_back(way.next_hop);
    for (const auto& key : keys) {
        auto found = co_await password_maps_.lookup(key);
        if (!found)
            co_return std::unexpected(Trouble{{4, 3, 0}, "smtp_sasl_password_maps: " + found.error().text});
        if (!*found) continue;
        const auto colon = (*found)->find(':');
        sasl::Credentials out{(*found)->substr(0, colon),
                              colon == std::string::npos ? std::string() : (*found)->substr(colon + 1)};
        if (out.password.starts_with("file:")) {  // a token that something else keeps fresh
            const std::string path = out.password.substr(5);
            const auto token = services_.files.read(path, token_octets_max);
            if (!token)
                co_return std::unexpected(Trouble{
                    {4, 3, 0},
                    fmt::format("cannot read the token of {}: {}", key, env::to_text(token.error()))});
            out.password = base::trim(*token);
        }
        co_return std::optional(std::move(out));
    }
    co_return std::optional<sasl::Credentials>{};
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
    settings.certificate = certificate_;
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
        const bool sent = co_await c.send(std::move(step.output), until);
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
            default:
                co_return std::unexpected(
                    Trouble{c.session.trouble().status, c.session.trouble().text, c.session.trouble().tls});
        }
    }
}

env::Task<SmtpClientTransport::Result<std::unique_ptr<SmtpConnection>>> SmtpClientTransport::open(
    Target target, const Way& way, bool without_tls) {
    auto& clock = services_.loop.clock();
    const auto begun = clock.steady();
    env::ConnectOptions how;
    const auto& from = target.endpoint.address.is_v4() ? options_.bind_address : options_.bind_address6;
    if (const auto address = env::IpAddress::parse(from)) how.bind_address = *address;
    auto stream = co_await services_.network.connect(target.endpoint, how, begun + options_.connect_timeout);
    const std::string shown =
        target.endpoint.is_unix()
            ? target.host
            : fmt::format("{}[{}]:{}", target.host, target.endpoint.address.text(), target.endpoint.port);
    if (!stream)
        co_return std::unexpected(
            Trouble{{4, 4, 1}, fmt::format("connect to {}: {}", shown, env::to_text(stream.error()))});
    smtp::ClientSettings settings;
    settings.protocol = protocol_ == Protocol::Lmtp ? smtp::ClientSettings::Protocol::Lmtp
                                                    : smtp::ClientSettings::Protocol::Smtp;
    settings.tls = without_tls || way.tls.level <= ClientTlsLevel::None ? smtp::ClientSettings::Tls::Never
                   : way.tls.mandatory()                                ? smtp::ClientSettings::Tls::Must
                                                                        : smtp::ClientSettings::Tls::May;
    settings.encrypted = options_.wrapper_mode;
    settings.helo_name = options_.helo_name;
    settings.host = shown;
    settings.server_name = target.host;
    settings.port = target.endpoint.port;
    settings.discarded_keywords = options_.discarded_keywords;
    settings.refused_greeting_is_temporary = options_.skip_5xx_greeting;
    if (options_.sasl) {
        auto known = co_await credentials(way, target.host);
        if (!known) co_return std::unexpected(known.error());
        settings.credentials = std::move(*known);
        settings.mechanisms = options_.mechanism_filter;
        settings.plaintext_in_clear =
            way.tls.level == ClientTlsLevel::None && !has_word(options_.security_options, "noplaintext");
        if (has_word(options_.tls_security_options, "noplaintext"))
            for (const auto* name : {"!PLAIN", "!LOGIN", "!OAUTHBEARER", "!XOAUTH2"})
                settings.mechanisms.emplace_back(name);
        std::string octets(nonce_octets, '\0');
        services_.random.fill(octets);
        settings.nonce = base::base64_encode(octets);
    }
    auto c = std::make_unique<SmtpConnection>(std::move(settings));
    c->stream = std::move(*stream);
    c->host = target.host;
    c->relay = shown;
    c->endpoint = target.endpoint;
    if (options_.wrapper_mode) {
        auto encrypted = co_await encrypt(*c, way);
        if (!encrypted) co_return std::unexpected(encrypted.error());
    }
    auto introduced = co_await introduce(*c, way);
    if (!introduced) {
        if (c->stream) c->stream->close();
        co_return std::unexpected(introduced.error());
    }
    c->setup_seconds = std::chrono::duration<double>(clock.steady() - begun).count();
    co_return c;
}

env::Task<SmtpClientTransport::Result<std::unique_ptr<SmtpConnection>>> SmtpClientTransport::connect(
    Target target, const Way& way) {
    auto connection = co_await open(target, way, false);
    if (connection || !connection.error().tls || way.tls.level != ClientTlsLevel::May || options_.sasl)
        co_return connection;
    services_.events.note(base::Severity::Info, name_, connection.error().text + "; trying without TLS");
    auto in_clear = co_await open(target, way, true);
    co_return in_clear;
}

}  // namespace delivery
