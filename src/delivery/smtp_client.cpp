#include "delivery/smtp_client.hpp"

#include "base/base64.hpp"
#include "base/result.hpp"
#include "base/text.hpp"
#include "smtp/dot_decoder.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace delivery {
namespace {

constexpr std::uint64_t pem_octets_max = 4 << 20;
constexpr std::uint64_t token_octets_max = 64 * 1024;
constexpr std::size_t idle_connections_max = 100;  // of one transport
constexpr std::size_t nonce_octets = 18;

queue::RecipientResult not_now(mail::Status status, std::string text) {
    queue::RecipientResult out;
    out.kind =
        status.is_permanent() ? queue::RecipientResult::Kind::Failed : queue::RecipientResult::Kind::Deferred;
    out.status = status;
    out.text = std::move(text);
    return out;
}

bool has_word(const std::vector<std::string>& words, std::string_view word) {
    return std::ranges::any_of(words, [&](const auto& one) { return base::iequals(one, word); });
}

}  // namespace

struct SmtpClientTransport::Connection {
    explicit Connection(smtp::ClientSettings settings) : session(std::move(settings)) {}
    std::unique_ptr<env::Stream> stream;
    smtp::ClientSession session;
    std::string host, relay;  // "mx.example.org", "mx.example.org[192.0.2.1]:25"
    smtp::ReplyParser parser;
    std::string input;
    std::size_t used = 0;
    std::uint32_t uses = 0;
    env::SteadyTime last_use{};
    double setup_seconds = 0;
    std::string problem;  // why reply() or send() gave up

    /// The next reply; nullopt: the connection broke, timed out, or what came is no reply.
    env::Task<std::optional<smtp::Reply>> reply(env::SteadyTime deadline) {
        for (;;) {
            std::size_t consumed = 0;
            const auto result = parser.feed(std::string_view(input).substr(used), consumed);
            used += consumed;
            if (result == smtp::ReplyParser::Result::Complete) co_return parser.take();
            if (result == smtp::ReplyParser::Result::Malformed) {
                problem = "received a malformed reply";
                co_return std::nullopt;
            }
            char piece[4096];
            auto got = co_await stream->read_some(piece, deadline);
            if (!got || *got == 0) {
                problem = !got && got.error() == env::IoError::TimedOut ? "timed out" : "lost connection";
                co_return std::nullopt;
            }
            input.assign(piece, *got);
            used = 0;
        }
    }
    env::Task<bool> send(std::string bytes, env::SteadyTime deadline) {
        if (bytes.empty()) co_return true;
        auto sent = co_await stream->write(bytes, deadline);
        if (!sent) problem = sent.error() == env::IoError::TimedOut ? "timed out" : "lost connection";
        co_return sent.has_value();
    }
};

std::optional<NextHop> parse_next_hop(std::string_view text, std::uint16_t default_port) {
    NextHop out;
    out.port = default_port;
    if (text.starts_with("unix:")) {
        out.unix_path = text.substr(5);
        return out.unix_path.empty() ? std::nullopt : std::optional(out);
    }
    if (text.starts_with("inet:")) text.remove_prefix(5);
    std::string_view port;
    if (text.starts_with('[')) {
        const auto end = text.find(']');
        if (end == std::string_view::npos) return std::nullopt;
        out.host = text.substr(1, end - 1);
        out.literal_host = true;
        const std::string_view rest = text.substr(end + 1);
        if (!rest.empty() && rest.front() != ':') return std::nullopt;
        port = rest.empty() ? rest : rest.substr(1);
    } else {
        const auto colon = text.rfind(':');
        out.host = text.substr(0, colon);
        if (colon != std::string_view::npos) port = text.substr(colon + 1);
    }
    if (base::istarts_with(out.host, "ipv6:")) out.host.erase(0, 5);
    if (out.host.empty()) return std::nullopt;
    if (port.empty()) return out;
    if (port == "smtp") port = "25";
    if (port == "submission") port = "587";
    if (port == "submissions" || port == "smtps") port = "465";
    const auto number = base::parse_number(port, 65535);
    if (!number || *number == 0) return std::nullopt;
    out.port = static_cast<std::uint16_t>(*number);
    return out;
}

SmtpClientTransport::SmtpClientTransport(std::string name, Protocol protocol, SmtpClientOptions options,
                                         Services services)
    : name_(std::move(name)),
      protocol_(protocol),
      options_(std::move(options)),
      services_(std::move(services)) {}
SmtpClientTransport::~SmtpClientTransport() = default;

std::expected<std::unique_ptr<SmtpClientTransport>, std::string> SmtpClientTransport::make(
    std::string name, Protocol protocol, SmtpClientOptions options, Services services) {
    std::unique_ptr<SmtpClientTransport> out(
        new SmtpClientTransport(std::move(name), protocol, std::move(options), std::move(services)));
    const auto& o = out->options_;
    const auto open = [&](std::string_view parameter, const std::string& specs,
                          tables::TableList& list) -> std::expected<void, std::string> {
        auto opened = out->services_.factory.open_list(specs);
        if (!opened) return std::unexpected(fmt::format("{}: {}", parameter, opened.error().text));
        list = std::move(*opened);
        return {};
    };
    const auto read = [&](std::string_view parameter,
                          const std::string& path) -> std::expected<std::string, std::string> {
        auto text = out->services_.files.read(path, pem_octets_max);
        if (!text)
            return std::unexpected(fmt::format("{}: {}: {}", parameter, path, env::to_text(text.error())));
        return std::move(*text);
    };
    TRY(open("smtp_tls_policy_maps", o.policy_maps, out->policy_maps_));
    if (o.sasl) {
        TRY(open("smtp_sasl_password_maps", o.password_maps, out->password_maps_));
        if (out->password_maps_.empty())
            return std::unexpected("smtp_sasl_auth_enable = yes, and smtp_sasl_password_maps is empty");
    }
    if (!o.ca_file.empty()) {
        TRY_ASSIGN(out->ca_pem_, read("smtp_tls_CAfile", o.ca_file));
    }
    if (!o.certificate_file.empty()) {
        env::TlsCertificate certificate;
        TRY_ASSIGN(certificate.chain_pem, read("smtp_tls_cert_file", o.certificate_file));
        TRY_ASSIGN(certificate.key_pem, read("smtp_tls_key_file", o.key_file));
        out->certificate_ = std::move(certificate);
    }
    for (const auto& hop : o.fallback_relay)
        if (!parse_next_hop(hop, 25))
            return std::unexpected(fmt::format("smtp_fallback_relay: '{}' is not a next hop", hop));
    return out;
}

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

// --- Connections kept for the next message ---

void SmtpClientTransport::close() {
    for (auto& [key, connections] : idle_)
        for (auto& connection : connections) connection->stream->close();
    idle_.clear();
}

std::unique_ptr<SmtpClientTransport::Connection> SmtpClientTransport::take_idle(const std::string& key) {
    const auto now = services_.loop.clock().steady();
    std::unique_ptr<Connection> out;
    for (auto at = idle_.begin(); at != idle_.end();) {
        auto& connections = at->second;
        std::erase_if(connections, [&](auto& connection) {
            if (now - connection->last_use <= options_.cache_time_limit) return false;
            services_.loop.spawn(say_goodbye(std::move(connection)));
            return true;
        });
        if (at->first == key && !connections.empty()) {
            out = std::move(connections.back());
            connections.pop_back();
        }
        at = connections.empty() ? idle_.erase(at) : std::next(at);
    }
    return out;
}

void SmtpClientTransport::keep(const std::string& key, std::unique_ptr<Connection> connection) {
    std::size_t kept = 0;
    for (const auto& [other, connections] : idle_) kept += connections.size();
    const bool worn = options_.reuse_count_limit > 0 && connection->uses >= options_.reuse_count_limit;
    if (worn || kept >= idle_connections_max || options_.cache_time_limit.count() == 0) {
        services_.loop.spawn(say_goodbye(std::move(connection)));
        return;
    }
    connection->last_use = services_.loop.clock().steady();
    idle_[key].push_back(std::move(connection));
}

env::Task<void> SmtpClientTransport::say_goodbye(std::unique_ptr<Connection> connection) {
    constexpr auto patience = std::chrono::seconds(5);
    const auto until =
        services_.loop.clock().steady() + std::min<std::chrono::seconds>(options_.quit_timeout, patience);
    smtp::ClientStep step = connection->session.quit();
    const bool sent = co_await connection->send(std::move(step.output), until);
    if (sent) co_await connection->reply(until);
    connection->stream->close();
}

// --- Finding and reaching a host ---

env::Task<SmtpClientTransport::Result<std::vector<SmtpClientTransport::Target>>> SmtpClientTransport::targets(
    std::string next_hop) {
    const auto hop = parse_next_hop(next_hop, protocol_ == Protocol::Lmtp ? 24 : 25);
    if (!hop)
        co_return std::unexpected(
            Trouble{{5, 3, 5}, fmt::format("bad next hop '{}'", base::printable(next_hop, 255))});
    std::vector<Target> out;
    if (!hop->unix_path.empty()) {
        const std::string path = hop->unix_path.starts_with('/')
                                     ? hop->unix_path
                                     : services_.queue_directory + "/" + hop->unix_path;
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
env::Task<SmtpClientTransport::Result<void>> SmtpClientTransport::encrypt(Connection& c, const Way& way) {
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
    const env::TlsInfo& info = *c.stream->tls();
    if (options_.tls_log_level > 0) {
        const std::string trust = way.tls.verifies()          ? "Verified"
                                  : info.peer_problem.empty() ? "Trusted"
                                                              : "Untrusted";
        services_.events.emit(base::TlsEstablished{name_, c.host, c.stream->peer().address.text(),
                                                   info.protocol, info.cipher, info.cipher_bits,
                                                   info.algorithm_bits, trust, true});
    }
    if (const auto violation = policy_violation(way.tls, info))
        co_return std::unexpected(Trouble{{4, 7, 5}, fmt::format("{} (host {})", *violation, c.relay)});
    co_return Result<void>{};
}

/// From the greeting to Ready.
env::Task<SmtpClientTransport::Result<void>> SmtpClientTransport::introduce(Connection& c, const Way& way) {
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

env::Task<SmtpClientTransport::Result<std::unique_ptr<SmtpClientTransport::Connection>>>
SmtpClientTransport::open(Target target, const Way& way, bool without_tls) {
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
    auto c = std::make_unique<Connection>(std::move(settings));
    c->stream = std::move(*stream);
    c->host = target.host;
    c->relay = shown;
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

env::Task<SmtpClientTransport::Result<std::unique_ptr<SmtpClientTransport::Connection>>>
SmtpClientTransport::connect(const Way& way) {
    std::vector<std::string> hops{way.next_hop};
    hops.insert(hops.end(), options_.fallback_relay.begin(), options_.fallback_relay.end());
    Trouble last{{4, 4, 4}, "no server to connect to"};
    std::uint32_t addresses = 0, sessions = 0;
    for (const auto& hop : hops) {
        auto list = co_await targets(hop);
        if (!list) {
            last = list.error();
            continue;
        }
        for (auto& target : *list) {
            if (options_.mx_address_limit > 0 && addresses >= options_.mx_address_limit) break;
            if (options_.mx_session_limit > 0 && sessions >= options_.mx_session_limit) break;
            ++addresses;
            auto connection = co_await open(target, way, false);
            if (!connection && connection.error().tls && way.tls.level == ClientTlsLevel::May &&
                !options_.sasl) {
                services_.events.note(base::Severity::Info, name_,
                                      connection.error().text + "; trying without TLS");
                connection = co_await open(target, way, true);
            }
            if (connection) co_return connection;
            last = connection.error();
            if (last.status != mail::Status{4, 4, 1}) ++sessions;
            services_.events.note(base::Severity::Info, name_, last.text);
        }
    }
    co_return std::unexpected(last);
}

// --- A message ---

env::Task<queue::DeliveryReport> SmtpClientTransport::deliver(queue::DeliveryRequest request) {
    auto& clock = services_.loop.clock();
    const auto begun = clock.steady();
    Way way;
    way.next_hop = request.next_hop;
    if (const auto hop = parse_next_hop(request.next_hop, 25)) way.domain = hop->host;
    if (options_.sender_dependent && !request.envelope->sender.is_null())
        way.sender = request.envelope->sender.address().key();
    const auto all = [&](const queue::RecipientResult& result) {
        queue::DeliveryReport report;
        report.recipients.assign(request.recipients.size(), result);
        report.setup_seconds = std::chrono::duration<double>(clock.steady() - begun).count();
        return report;
    };
    auto policy = co_await choose_tls_policy(options_, policy_maps_, way.next_hop);
    if (!policy) co_return all(not_now({4, 3, 0}, policy.error()));
    way.tls = std::move(*policy);
    const std::string key = way.sender + " " + way.next_hop;
    for (;;) {
        auto connection = take_idle(key);
        const bool reused = connection != nullptr;
        queue::DeliveryReport report;
        if (!connection) {
            auto made = co_await connect(way);
            if (!made) {
                auto result = not_now(made.error().status, made.error().text);
                result.destination_failed = !made.error().status.is_permanent();
                co_return all(result);
            }
            connection = std::move(*made);
            report.setup_seconds = connection->setup_seconds;
        }
        report.connection_uses = static_cast<int>(++connection->uses);
        const auto started = clock.steady();
        const bool usable = co_await transact(*connection, request, report);
        report.transmission_seconds = std::chrono::duration<double>(clock.steady() - started).count();
        if (usable) {
            keep(key, std::move(connection));
            co_return report;
        }
        connection->stream->close();
        // A connection that was kept may have been closed meanwhile: once more on another, if nothing was
        // answered.
        if (report.recipients.empty() && reused) {
            request.content->rewind();
            continue;
        }
        if (report.recipients.empty())
            co_return all(
                not_now({4, 4, 2}, fmt::format("{} with {} while {}", connection->problem, connection->relay,
                                               smtp::to_text(connection->session.waiting_for()))));
        co_return report;
    }
}

env::Task<bool> SmtpClientTransport::send_content(Connection& c, queue::ContentReader& content,
                                                  bool chunked) {
    smtp::DotEncoder encoder;
    std::string encoded;
    for (;;) {
        auto piece = co_await content.next();
        if (!piece) {
            c.problem = piece.error();
            co_return false;  // breaking off: no end mark, so the other side keeps nothing
        }
        const bool end = piece->empty();
        if (chunked) {
            encoded = std::move(*piece);
        } else {
            encoded.clear();
            encoded.reserve(piece->size() + piece->size() / 64 + 16);
            if (end)
                encoder.finish(encoded);
            else
                encoder.encode(*piece, encoded);
        }
        const bool sent = co_await c.send(std::move(encoded),
                                          services_.loop.clock().steady() + timeout(smtp::Wait::Content));
        if (!sent) co_return false;
        if (end) co_return true;
    }
}

queue::RecipientResult SmtpClientTransport::result_of(const Connection& c,
                                                      const smtp::RecipientOutcome& outcome) const {
    using Kind = queue::RecipientResult::Kind;
    queue::RecipientResult out;
    if (outcome.refused_here) {
        out = not_now(outcome.refused_here->status, outcome.refused_here->text);
        out.relay = c.relay;
        return out;
    }
    if (!outcome.reply) {
        out = not_now({4, 4, 2}, fmt::format("{} with {} while {}", c.problem, c.relay,
                                             smtp::to_text(c.session.waiting_for())));
        out.relay = c.relay;
        return out;
    }
    const smtp::Reply& reply = *outcome.reply;
    out.relay = c.relay;
    out.remote_mta = "dns; " + c.host;
    if (outcome.delivered) {
        out.kind = Kind::Delivered;
        out.status = reply.status();
        out.text = reply.text();
        out.relayed = protocol_ == Protocol::Smtp;
        out.dsn_passed_on = c.session.offers_dsn();
        return out;
    }
    out.kind = reply.permanent() ? Kind::Failed : Kind::Deferred;
    out.status = reply.status();
    if (out.status.class_ != 4 && out.status.class_ != 5) out.status = {4, 0, 0};
    out.text = fmt::format("host {} said: {} (in reply to {} command)",
                           c.relay.substr(0, c.relay.rfind("]:") + 1), reply.text(), outcome.command);
    if (c.session.credentials_unused())
        out.text += "; we have a password for it, but it offers no AUTH (is TLS needed first?)";
    out.diagnostic = "smtp; " + reply.text();
    out.greylisted =
        !reply.permanent() && outcome.command == "RCPT TO" && (reply.code == 450 || reply.code == 451);
    return out;
}

/// One message. True when the connection may be used again. `report.recipients` stays empty when nothing was
/// answered.
env::Task<bool> SmtpClientTransport::transact(Connection& c, queue::DeliveryRequest& request,
                                              queue::DeliveryReport& report) {
    using Next = smtp::ClientStep::Next;
    const auto& envelope = *request.envelope;
    smtp::ClientMessage message{envelope.sender,        request.recipients,  envelope.body,
                                envelope.smtputf8,      envelope.dsn_return, envelope.dsn_envelope_id,
                                request.content->size()};
    smtp::ClientStep step = c.session.send(std::move(message));
    bool broken = false, answered = false;
    while (!broken && step.next != Next::Finished && step.next != Next::Failed) {
        const auto until = services_.loop.clock().steady() + timeout(step.wait);
        bool sent = co_await c.send(std::move(step.output), until);
        if (sent && step.next == Next::Content) {
            sent = co_await send_content(c, *request.content, step.chunked);
            if (sent) {
                step = c.session.on_content_sent();
                continue;
            }
        }
        std::optional<smtp::Reply> reply;
        if (sent) reply = co_await c.reply(until);
        broken = !reply;
        if (broken) break;
        answered = true;
        step = c.session.on_reply(*reply);
    }
    if (step.next == Next::Failed) c.problem = c.session.trouble().text;
    const bool nothing = broken && !answered;
    if (nothing) co_return false;
    for (const auto& outcome : c.session.results()) report.recipients.push_back(result_of(c, outcome));
    co_return !broken && step.next == Next::Finished && c.session.reusable();
}

}  // namespace delivery
