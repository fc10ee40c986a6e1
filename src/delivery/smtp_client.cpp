#include "delivery/smtp_client.hpp"

#include "base/text.hpp"
#include "mail/xtext.hpp"
#include "smtp/dot_decoder.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace delivery {
namespace {

constexpr auto idle_time_max = std::chrono::seconds(5);
constexpr int uses_max = 100;
constexpr std::size_t mx_hosts_max = 20;
constexpr std::size_t addresses_max = 20;

queue::RecipientResult not_now(mail::Status status, std::string text) {
    queue::RecipientResult out;
    out.kind =
        status.is_permanent() ? queue::RecipientResult::Kind::Failed : queue::RecipientResult::Kind::Deferred;
    out.status = status;
    out.text = std::move(text);
    return out;
}

}  // namespace

struct SmtpClientTransport::Connection {
    std::unique_ptr<env::Stream> stream;
    std::string host, relay;  // "mx.example.org", "mx.example.org[192.0.2.1]:25"
    bool esmtp = false, pipelining = false, size = false, eight_bit = false, smtputf8 = false, dsn = false,
         start_tls = false;
    smtp::ReplyParser parser;
    std::string input;
    std::size_t used = 0;
    int uses = 0;
    env::SteadyTime last_use{};
    double setup_seconds = 0;

    /// The next reply; nullopt: the connection broke, timed out, or what came is no reply (`problem` says
    /// which).
    std::string problem;
    env::Task<std::optional<smtp::Reply>> reply(env::SteadyTime deadline) {
        for (;;) {
            std::size_t consumed = 0;
            const auto result = parser.feed(std::string_view(input).substr(used), consumed);
            used += consumed;
            if (result == smtp::ReplyParser::Result::Complete) co_return parser.take();
            if (result == smtp::ReplyParser::Result::Malformed) {
                problem = "the server's reply is not SMTP";
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
                                         Services services, std::string queue_directory)
    : name_(std::move(name)),
      protocol_(protocol),
      options_(std::move(options)),
      services_(services),
      queue_directory_(std::move(queue_directory)) {}
SmtpClientTransport::~SmtpClientTransport() = default;

void SmtpClientTransport::close() {
    for (auto& [hop, connections] : idle_)
        for (auto& connection : connections) connection->stream->close();
    idle_.clear();
}

std::unique_ptr<SmtpClientTransport::Connection> SmtpClientTransport::take_idle(const std::string& next_hop) {
    const auto found = idle_.find(next_hop);
    if (found == idle_.end()) return nullptr;
    const auto now = services_.loop.clock().steady();
    auto& connections = found->second;
    while (!connections.empty()) {
        auto connection = std::move(connections.back());
        connections.pop_back();
        if (now - connection->last_use <= idle_time_max) return connection;
        connection->stream->close();
    }
    idle_.erase(found);
    return nullptr;
}

void SmtpClientTransport::keep(const std::string& next_hop, std::unique_ptr<Connection> connection) {
    if (connection->uses >= uses_max) {
        connection->stream->close();
        return;
    }
    connection->last_use = services_.loop.clock().steady();
    idle_[next_hop].push_back(std::move(connection));
}

env::Task<std::expected<void, SmtpClientTransport::Trouble>> SmtpClientTransport::addresses_of(
    std::string host, std::uint16_t port, std::vector<Target>& out) {
    if (auto literal = env::IpAddress::parse(host)) {
        out.push_back({env::Endpoint{*literal, port, {}}, host});
        co_return std::expected<void, Trouble>{};
    }
    if (base::iequals(host, "localhost")) {
        out.push_back({env::Endpoint{*env::IpAddress::parse("127.0.0.1"), port, {}}, host});
        co_return std::expected<void, Trouble>{};
    }
    const auto name = dns::Name::parse(host);
    if (!name)
        co_return std::unexpected(
            Trouble{{5, 1, 2}, fmt::format("'{}' is not a host name", base::printable(host, 255))});
    if (!services_.resolver)
        co_return std::unexpected(Trouble{{4, 4, 3}, "no name service: only addresses can be reached"});
    bool nothing = true;
    for (const auto type : {dns::Type::A, dns::Type::Aaaa}) {
        const env::DnsAnswer answer = co_await services_.resolver->query(*name, type);
        if (answer.temporary() && nothing && type == dns::Type::Aaaa && out.empty())
            co_return std::unexpected(
                Trouble{{4, 4, 3},
                        fmt::format("Host or domain name not found. Name service error for name={}: {}", host,
                                    answer.why)});
        for (const auto& record : answer.records) {
            if (out.size() >= addresses_max) break;
            nothing = false;
            if (const auto* v4 = std::get_if<dns::A>(&record))
                out.push_back({env::Endpoint{env::IpAddress::from_bytes(v4->address), port, {}}, host});
            if (const auto* v6 = std::get_if<dns::Aaaa>(&record))
                out.push_back({env::Endpoint{env::IpAddress::from_bytes(v6->address), port, {}}, host});
        }
    }
    if (nothing)
        co_return std::unexpected(Trouble{
            {5, 4, 4},
            fmt::format(
                "Host or domain name not found. Name service error for name={} type=A: Host not found",
                host)});
    co_return std::expected<void, Trouble>{};
}

env::Task<std::expected<std::vector<SmtpClientTransport::Target>, SmtpClientTransport::Trouble>>
SmtpClientTransport::targets(std::string next_hop) {
    const auto hop = parse_next_hop(next_hop, protocol_ == Protocol::Lmtp ? 24 : 25);
    if (!hop)
        co_return std::unexpected(
            Trouble{{5, 3, 5}, fmt::format("bad next hop '{}'", base::printable(next_hop, 255))});
    std::vector<Target> out;
    if (!hop->unix_path.empty()) {
        const std::string path =
            hop->unix_path.starts_with('/') ? hop->unix_path : queue_directory_ + "/" + hop->unix_path;
        out.push_back({env::Endpoint{{}, 0, path}, path});
        co_return out;
    }
    const auto domain = dns::Name::parse(hop->host);
    const bool look_up_mx = protocol_ == Protocol::Smtp && !hop->literal_host && services_.resolver &&
                            domain && !env::IpAddress::parse(hop->host);
    if (look_up_mx) {
        const env::DnsAnswer answer = co_await services_.resolver->query(*domain, dns::Type::Mx);
        if (answer.temporary())
            co_return std::unexpected(Trouble{
                {4, 4, 3},
                fmt::format("Host or domain name not found. Name service error for name={} type=MX: {}",
                            hop->host, answer.why)});
        std::vector<std::pair<std::pair<std::uint16_t, std::uint64_t>, std::string>>
            hosts;  // random order within a preference (RFC 5321 §5.1)
        for (const auto& record : answer.records) {
            const auto* mx = std::get_if<dns::Mx>(&record);
            if (!mx) continue;
            if (mx->exchange.is_root() && answer.records.size() == 1)  // RFC 7505
                co_return std::unexpected(
                    Trouble{{5, 1, 10}, fmt::format("Domain {} does not accept mail (nullMX)", hop->host)});
            hosts.push_back({{mx->preference, services_.random.next()}, mx->exchange.text()});
        }
        std::ranges::sort(hosts);
        if (hosts.size() > mx_hosts_max) hosts.resize(mx_hosts_max);
        std::optional<Trouble> first;
        for (const auto& [order, host] : hosts) {
            auto found = co_await addresses_of(host, hop->port, out);
            if (!found && !first) first = found.error();
        }
        if (!hosts.empty()) {
            if (out.empty() && first) co_return std::unexpected(*first);
            co_return out;
        }
    }
    auto found = co_await addresses_of(hop->host, hop->port, out);
    if (!found) co_return std::unexpected(found.error());
    co_return out;
}

env::Task<std::expected<void, SmtpClientTransport::Trouble>> SmtpClientTransport::introduce(Connection& c) {
    const auto deadline = services_.loop.clock().steady() + options_.helo_timeout;
    const bool lmtp = protocol_ == Protocol::Lmtp;
    const bool sent =
        co_await c.send(fmt::format("{} {}\r\n", lmtp ? "LHLO" : "EHLO", options_.helo_name), deadline);
    std::optional<smtp::Reply> reply;
    if (sent) reply = co_await c.reply(deadline);
    if (!reply)
        co_return std::unexpected(Trouble{{4, 4, 2},
                                          fmt::format("{} with {} while performing the {} handshake",
                                                      c.problem, c.relay, lmtp ? "LHLO" : "EHLO")});
    if (!reply->positive() && !lmtp && reply->permanent()) {
        const bool again = co_await c.send(fmt::format("HELO {}\r\n", options_.helo_name), deadline);
        reply.reset();
        if (again) reply = co_await c.reply(deadline);
        if (!reply)
            co_return std::unexpected(
                Trouble{{4, 4, 2},
                        fmt::format("{} with {} while performing the HELO handshake", c.problem, c.relay)});
    }
    if (!reply->positive())
        co_return std::unexpected(
            Trouble{{4, 0, 0}, fmt::format("host {} refused to talk to me: {}", c.relay, reply->text())});
    c.pipelining = c.size = c.eight_bit = c.smtputf8 = c.dsn = c.start_tls = false;
    for (std::size_t i = 1; i < reply->lines.size(); ++i) {
        const std::string_view line = reply->lines[i];
        const std::string_view word = line.substr(0, line.find(' '));
        if (base::iequals(word, "PIPELINING"))
            c.pipelining = true;
        else if (base::iequals(word, "SIZE"))
            c.size = true;
        else if (base::iequals(word, "8BITMIME"))
            c.eight_bit = true;
        else if (base::iequals(word, "SMTPUTF8"))
            c.smtputf8 = true;
        else if (base::iequals(word, "DSN"))
            c.dsn = true;
        else if (base::iequals(word, "STARTTLS"))
            c.start_tls = true;
    }
    co_return std::expected<void, Trouble>{};
}

env::Task<std::expected<std::unique_ptr<SmtpClientTransport::Connection>, SmtpClientTransport::Trouble>>
SmtpClientTransport::open(Target target) {
    auto& clock = services_.loop.clock();
    const auto begun = clock.steady();
    env::ConnectOptions how;
    auto stream = co_await services_.network.connect(target.endpoint, how, begun + options_.connect_timeout);
    const std::string shown = target.endpoint.is_unix()
                                  ? target.host
                                  : fmt::format("{}[{}]", target.host, target.endpoint.address.text());
    if (!stream) {
        const std::string where =
            target.endpoint.is_unix() ? shown : fmt::format("{}:{}", shown, target.endpoint.port);
        co_return std::unexpected(
            Trouble{{4, 4, 1}, fmt::format("connect to {}: {}", where, env::to_text(stream.error()))});
    }
    auto c = std::make_unique<Connection>();
    c->stream = std::move(*stream);
    c->host = target.host;
    c->relay = shown + (target.endpoint.is_unix() ? "" : fmt::format(":{}", target.endpoint.port));
    auto greeting = co_await c->reply(clock.steady() + options_.helo_timeout);
    if (!greeting)
        co_return std::unexpected(Trouble{
            {4, 4, 2},
            fmt::format("{} with {} while receiving the initial server greeting", c->problem, c->relay)});
    if (!greeting->positive())
        co_return std::unexpected(
            Trouble{{4, 0, 0}, fmt::format("host {} refused to talk to me: {}", c->relay, greeting->text())});
    auto introduced = co_await introduce(*c);
    if (!introduced) co_return std::unexpected(introduced.error());
    if (c->start_tls && protocol_ == Protocol::Smtp && options_.tls_level == "may") {
        const auto deadline = clock.steady() + options_.helo_timeout;
        const bool sent = co_await c->send("STARTTLS\r\n", deadline);
        std::optional<smtp::Reply> reply;
        if (sent) reply = co_await c->reply(deadline);
        if (!reply)
            co_return std::unexpected(Trouble{
                {4, 7, 5}, fmt::format("{} with {} while performing STARTTLS", c->problem, c->relay)});
        if (reply->positive()) {
            // What came in clear behind the 220 would be taken as encrypted (response injection): an error.
            if (c->used < c->input.size())
                co_return std::unexpected(Trouble{
                    {4, 7, 5},
                    fmt::format("host {} sent more in clear behind its reply to STARTTLS", c->relay)});
            env::TlsClientSettings settings;
            settings.server_name = env::IpAddress::parse(target.host) ? "" : target.host;
            auto encrypted = co_await services_.tls.connect(std::move(c->stream), settings, deadline);
            if (!encrypted)
                co_return std::unexpected(
                    Trouble{{4, 7, 5}, fmt::format("TLS with {} failed: {}", c->relay, encrypted.error())});
            c->stream = std::move(*encrypted);
            auto again = co_await introduce(*c);
            if (!again) co_return std::unexpected(again.error());
        }
    }
    c->setup_seconds = std::chrono::duration<double>(clock.steady() - begun).count();
    co_return c;
}

env::Task<std::expected<std::unique_ptr<SmtpClientTransport::Connection>, SmtpClientTransport::Trouble>>
SmtpClientTransport::connect(const queue::DeliveryRequest& request) {
    auto list = co_await targets(request.next_hop);
    if (!list) co_return std::unexpected(list.error());
    Trouble last{{4, 4, 4}, "no server to connect to"};
    for (auto& target : *list) {
        auto connection = co_await open(std::move(target));
        if (connection) co_return connection;
        last = connection.error();
        services_.events.note(base::Severity::Info, name_, last.text);
    }
    co_return std::unexpected(last);
}

env::Task<queue::DeliveryReport> SmtpClientTransport::deliver(queue::DeliveryRequest request) {
    auto& clock = services_.loop.clock();
    const auto begun = clock.steady();
    for (int attempt = 0;; ++attempt) {
        queue::DeliveryReport report;
        auto connection = take_idle(request.next_hop);
        const bool reused = connection != nullptr;
        if (!connection) {
            auto made = co_await connect(request);
            if (!made) {
                auto result = not_now(made.error().status, made.error().text);
                result.destination_failed = !made.error().status.is_permanent();
                report.recipients.assign(request.recipients.size(), result);
                report.setup_seconds = std::chrono::duration<double>(clock.steady() - begun).count();
                co_return report;
            }
            connection = std::move(*made);
            report.setup_seconds = connection->setup_seconds;
        }
        ++connection->uses;
        report.connection_uses = connection->uses;
        const auto started = clock.steady();
        const bool usable = co_await transact(*connection, request, report);
        report.transmission_seconds = std::chrono::duration<double>(clock.steady() - started).count();
        if (usable) {
            keep(request.next_hop, std::move(connection));
            co_return report;
        }
        connection->stream->close();
        // A connection that was kept may have been closed meanwhile: once more on a fresh one, if nothing was
        // answered yet.
        const bool nothing_happened = report.recipients.empty();
        if (reused && nothing_happened && attempt < uses_max) {
            request.content->rewind();
            continue;
        }
        if (nothing_happened)
            report.recipients.assign(
                request.recipients.size(),
                not_now({4, 4, 2}, fmt::format("{} with {}", connection->problem, connection->relay)));
        co_return report;
    }
}

env::Task<bool> SmtpClientTransport::send_content(Connection& c, queue::ContentReader& content) {
    smtp::DotEncoder encoder;
    std::string encoded;
    for (;;) {
        auto piece = co_await content.next();
        if (!piece) {
            c.problem = piece.error();
            co_return false;  // breaking off: no end mark, so the other side keeps nothing
        }
        encoded.clear();
        encoded.reserve(piece->size() + piece->size() / 64 + 16);
        if (piece->empty())
            encoder.finish(encoded);
        else
            encoder.encode(*piece, encoded);
        const bool sent =
            co_await c.send(encoded, services_.loop.clock().steady() + options_.data_done_timeout);
        if (!sent) co_return false;
        if (piece->empty()) co_return true;
    }
}

/// One message. True when the connection may be used again. `report.recipients` stays empty when nothing was
/// answered.
env::Task<bool> SmtpClientTransport::transact(Connection& c, queue::DeliveryRequest& request,
                                              queue::DeliveryReport& report) {
    auto& clock = services_.loop.clock();
    const auto& envelope = *request.envelope;
    const auto said = [&](const smtp::Reply& reply, std::string_view command) {
        auto result = not_now(reply.status(),
                              fmt::format("host {} said: {} (in reply to {} command)",
                                          c.relay.substr(0, c.relay.find("]:") + 1), reply.text(), command));
        result.kind =
            reply.permanent() ? queue::RecipientResult::Kind::Failed : queue::RecipientResult::Kind::Deferred;
        if (result.status.class_ != 4 && result.status.class_ != 5) result.status = {4, 0, 0};
        result.relay = c.relay;
        result.remote_mta = "dns; " + c.host;
        result.diagnostic = "smtp; " + reply.text();
        result.greylisted =
            !reply.permanent() && command == "RCPT TO" && (reply.code == 450 || reply.code == 451);
        return result;
    };
    const bool utf8_needed =
        envelope.smtputf8 &&
        !std::ranges::all_of(request.recipients, [&](const auto& r) { return r.address.is_ascii(); });
    if (utf8_needed && !c.smtputf8) {
        auto result = not_now({5, 6, 7}, "SMTPUTF8 is required, but was not offered by host " + c.relay);
        result.relay = c.relay;
        report.recipients.assign(request.recipients.size(), result);
        co_return true;
    }
    std::string mail = fmt::format("MAIL FROM:<{}>", envelope.sender.text());
    if (c.size) mail += fmt::format(" SIZE={}", request.content->size());
    if (c.eight_bit && envelope.body != mail::BodyType::SevenBit) mail += " BODY=8BITMIME";
    if (c.smtputf8 && envelope.smtputf8) mail += " SMTPUTF8";
    if (c.dsn && envelope.dsn_return != mail::DsnReturn::Unspecified)
        mail += envelope.dsn_return == mail::DsnReturn::Full ? " RET=FULL" : " RET=HDRS";
    if (c.dsn && !envelope.dsn_envelope_id.empty())
        mail += " ENVID=" + mail::encode_xtext(envelope.dsn_envelope_id);
    std::vector<std::string> rcpts;
    for (const auto& recipient : request.recipients) {
        std::string rcpt = fmt::format("RCPT TO:<{}>", recipient.address.text());
        if (c.dsn && recipient.notify != mail::Notify::Default) {
            std::string words;
            if (mail::has(recipient.notify, mail::Notify::Never)) words = "NEVER";
            for (const auto& [bit, word] : {std::pair{mail::Notify::Success, "SUCCESS"},
                                            {mail::Notify::Failure, "FAILURE"},
                                            {mail::Notify::Delay, "DELAY"}})
                if (mail::has(recipient.notify, bit)) words += (words.empty() ? "" : ",") + std::string(word);
            rcpt += " NOTIFY=" + words;
        }
        if (const auto semicolon = recipient.dsn_original.find(';'); c.dsn && semicolon != std::string::npos)
            rcpt += fmt::format(" ORCPT={};{}", recipient.dsn_original.substr(0, semicolon),
                                mail::encode_xtext(recipient.dsn_original.substr(semicolon + 1)));
        rcpts.push_back(std::move(rcpt));
    }
    std::string batch = mail + "\r\n";
    if (c.pipelining) {
        for (const auto& rcpt : rcpts) batch += rcpt + "\r\n";
        batch += "DATA\r\n";
    }
    bool sent = co_await c.send(std::move(batch), clock.steady() + options_.mail_timeout);
    std::optional<smtp::Reply> reply;
    if (sent) reply = co_await c.reply(clock.steady() + options_.mail_timeout);
    if (!reply) co_return false;
    std::vector<std::optional<queue::RecipientResult>> results(request.recipients.size());
    const auto broken = [&](std::string_view doing) {
        for (auto& result : results) {
            if (!result) {
                result = not_now({4, 4, 2}, fmt::format("{} with {} while {}", c.problem, c.relay, doing));
                result->relay = c.relay;
            }
            report.recipients.push_back(std::move(*result));
        }
    };
    const bool mail_ok = reply->positive();
    if (!mail_ok) {
        for (auto& result : results) result = said(*reply, "MAIL FROM");
        if (!c.pipelining) {
            broken("");
            const bool reset = co_await c.send("RSET\r\n", clock.steady() + options_.mail_timeout);
            if (reset) reply = co_await c.reply(clock.steady() + options_.mail_timeout);
            co_return reset&& reply && reply->positive();
        }
    }
    std::vector<std::size_t> accepted;
    for (std::size_t i = 0; i < rcpts.size(); ++i) {
        if (!c.pipelining) {
            sent = co_await c.send(rcpts[i] + "\r\n", clock.steady() + options_.rcpt_timeout);
            if (!sent) {
                broken("sending RCPT TO");
                co_return false;
            }
        }
        reply = co_await c.reply(clock.steady() + options_.rcpt_timeout);
        if (!reply) {
            broken("sending RCPT TO");
            co_return false;
        }
        if (!mail_ok) continue;
        if (reply->positive())
            accepted.push_back(i);
        else
            results[i] = said(*reply, "RCPT TO");
    }
    if (!c.pipelining && !accepted.empty()) {
        sent = co_await c.send("DATA\r\n", clock.steady() + options_.data_init_timeout);
        if (!sent) {
            broken("sending DATA");
            co_return false;
        }
    }
    if (!c.pipelining && accepted.empty()) {
        broken("");
        const bool reset = co_await c.send("RSET\r\n", clock.steady() + options_.mail_timeout);
        if (reset) reply = co_await c.reply(clock.steady() + options_.mail_timeout);
        co_return reset&& reply && reply->positive();
    }
    reply = co_await c.reply(clock.steady() + options_.data_init_timeout);
    if (!reply) {
        broken("sending DATA");
        co_return false;
    }
    if (reply->code != 354) {
        for (const auto i : accepted) results[i] = said(*reply, "DATA");
        broken("");
        co_return reply->code >= 400;
    }
    if (accepted.empty()) {  // pipelined DATA was taken although no recipient was: an empty message ends it
        sent = co_await c.send(".\r\n", clock.steady() + options_.data_done_timeout);
        broken("");
        if (sent) reply = co_await c.reply(clock.steady() + options_.data_done_timeout);
        co_return sent&& reply;
    }
    sent = co_await send_content(c, *request.content);
    if (!sent) {
        broken("sending the message");
        co_return false;
    }
    // LMTP answers for each accepted recipient (RFC 2033 §4.2); SMTP once for all.
    bool usable = true;
    for (std::size_t n = 0; n < accepted.size(); ++n) {
        if (n == 0 || protocol_ == Protocol::Lmtp) {
            reply = co_await c.reply(clock.steady() + options_.data_done_timeout);
            if (!reply) {
                broken("sending end of data -- message may be sent more than once");
                co_return false;
            }
        }
        auto& result = results[accepted[n]];
        if (reply->positive()) {
            result = queue::RecipientResult{};
            result->kind = queue::RecipientResult::Kind::Delivered;
            result->status = reply->status();
            result->relay = c.relay;
            result->text = reply->text();
            result->remote_mta = "dns; " + c.host;
            result->dsn_passed_on = c.dsn;
        } else {
            result = said(*reply, "end of DATA");
        }
        usable = usable && reply->code != 421;
    }
    broken("");
    co_return usable;
}

}  // namespace delivery
