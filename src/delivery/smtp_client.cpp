#include "delivery/smtp_client.hpp"

#include "base/result.hpp"
#include "base/text.hpp"
#include "env/pem.hpp"
#include "mail/author.hpp"
#include "routing/routing.hpp"
#include "smtp/dot_decoder.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace delivery {
namespace {

/// The replies of RFC 5321 §4.2.1 about syntax: one of the two does not speak SMTP as the other expects.
void note_reply(SmtpConnection& c, int code) {
    if (code < 400 || code > 599 || code / 10 % 10 == 0) c.errors.add(mail::ErrorClass::Protocol);
}

queue::RecipientResult not_now(mail::Status status, std::string text) {
    queue::RecipientResult out;
    out.kind =
        status.is_permanent() ? queue::RecipientResult::Kind::Failed : queue::RecipientResult::Kind::Deferred;
    out.status = status;
    out.text = std::move(text);
    return out;
}

}  // namespace

/// A delivery on its way from host to host.
struct SmtpClientTransport::Attempt {
    Attempt(queue::DeliveryRequest asked, std::shared_ptr<const OutgoingRules> rules)
        : request(std::move(asked)),
          content(std::move(request.content), std::move(rules)),
          sender(request.envelope->sender),
          recipients(request.recipients) {
        for (std::size_t i = 0; i < request.recipients.size(); ++i) open.push_back(i);
        heard.resize(request.recipients.size());
    }
    /// What a host said, in the order of `open`.
    void hear(const std::vector<queue::RecipientResult>& results) {
        std::vector<std::size_t> still_open;
        for (std::size_t i = 0; i < results.size(); ++i) {
            heard[open[i]] = results[i];
            if (results[i].kind != queue::RecipientResult::Kind::Deferred) continue;
            still_open.push_back(open[i]);
            last_words = results[i].text;
        }
        open = std::move(still_open);
    }
    void forget() {
        heard.assign(heard.size(), std::nullopt);
        last_words.clear();
    }
    bool nothing_heard() const {
        return std::ranges::none_of(heard, [](const auto& one) { return one.has_value(); });
    }
    /// The report: `rest` for the recipients of whom no host said anything.
    void settle(const queue::RecipientResult& rest) {
        if (!report.recipients.empty()) return;
        for (const auto& one : heard) report.recipients.push_back(one.value_or(rest));
    }

    queue::DeliveryRequest request;
    OutgoingContent content;
    mail::ReversePath sender;  // as they are sent
    std::vector<mail::Recipient> recipients;
    queue::DeliveryReport report;
    std::vector<std::size_t> open;  // recipients neither delivered nor refused for good
    std::vector<std::optional<queue::RecipientResult>> heard;
    std::set<env::Endpoint> tried;
    bool about_notice = false;
    std::string last_words;  // why the last host did not do for somebody
};

SmtpClientTransport::SmtpClientTransport(std::string name, Protocol protocol, SmtpClientOptions options,
                                         Services services)
    : name_(std::move(name)),
      protocol_(protocol),
      options_(std::move(options)),
      services_(std::move(services)),
      idle_(services_.loop, {options_.cache_time_limit, options_.reuse_time_limit, options_.reuse_count_limit,
                             options_.quit_timeout}) {}
SmtpClientTransport::~SmtpClientTransport() = default;

std::expected<std::unique_ptr<SmtpClientTransport>, std::string> SmtpClientTransport::make(
    std::string name, Protocol protocol, SmtpClientOptions options, OutgoingOptions outgoing,
    Services services) {
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
    TRY(open("smtp_tls_policy_maps", o.policy_maps, out->policy_maps_));
    TRY(open("smtp_reply_filter", o.reply_filter, out->reply_filter_));
    TRY(open("smtp_discard_ehlo_keyword_address_maps", o.discarded_keyword_maps,
             out->discarded_keyword_maps_));
    TRY_ASSIGN(out->outgoing_, OutgoingRules::make(outgoing, out->services_.factory, out->services_.routing));
    if (o.sasl) {
        tables::TableList passwords;
        TRY(open("smtp_sasl_password_maps", o.password_maps, passwords));
        if (passwords.empty())
            return std::unexpected("smtp_sasl_auth_enable = yes, and smtp_sasl_password_maps is empty");
        const CredentialSource::Services world{out->services_.files, out->services_.loop.clock(),
                                               out->services_.programs};
        out->credentials_.emplace(world, std::move(passwords), o.token_lifetime);
    }
    if (!parse_next_hop("host:" + o.tcp_port, 1))
        return std::unexpected(fmt::format("smtp_tcp_port: '{}' is not a port", o.tcp_port));
    for (const auto& way : o.host_lookup)
        if (!base::iequals(way, "dns") && !base::iequals(way, "native"))
            return std::unexpected(fmt::format("smtp_host_lookup: '{}' is neither dns nor native", way));
    for (const auto& [parameter, text] :
         {std::pair{"smtp_bind_address", &o.bind_address}, {"smtp_bind_address6", &o.bind_address6}}) {
        const auto address = env::IpAddress::parse(*text);
        const bool v4 = text == &o.bind_address;
        if (!text->empty() && (!address || address->is_v4() != v4))
            return std::unexpected(fmt::format("{}: '{}' is no IPv{} address", parameter, *text, v4 ? 4 : 6));
    }
    if (!o.ca_file.empty()) {
        TRY_ASSIGN(out->ca_pem_, env::read_pem(out->services_.files, "smtp_tls_CAfile", o.ca_file));
    }
    TRY(out->read_certificates());
    for (const auto& hop : o.fallback_relay)
        if (!parse_next_hop(hop, 25))
            return std::unexpected(fmt::format("smtp_fallback_relay: '{}' is not a next hop", hop));
    return out;
}

/// smtp_generic_maps: sender and recipients as other machines are to see them. Reports go by the old ones.
env::Task<std::expected<void, std::string>> SmtpClientTransport::map_envelope(Attempt& attempt) const {
    if (!outgoing_->maps_addresses()) co_return std::expected<void, std::string>{};
    if (!attempt.sender.is_null()) {
        auto sender = co_await outgoing_->outside(attempt.sender.address());
        if (!sender) co_return std::unexpected(sender.error());
        attempt.sender = mail::ReversePath(std::move(*sender));
    }
    for (auto& recipient : attempt.recipients) {
        auto address = co_await outgoing_->outside(recipient.address);
        if (!address) co_return std::unexpected(address.error());
        recipient.address = std::move(*address);
    }
    co_return std::expected<void, std::string>{};
}

env::Task<queue::DeliveryReport> SmtpClientTransport::deliver(queue::DeliveryRequest request) {
    Attempt attempt(std::move(request), outgoing_);
    const auto mapped = co_await map_envelope(attempt);
    if (!mapped) {
        attempt.settle(not_now({4, 3, 0}, mapped.error()));
        co_return std::move(attempt.report);
    }
    Way way;
    way.next_hop = attempt.request.next_hop;
    way.about_notice = attempt.about_notice =
        queue::is_notice(attempt.request.envelope->sender, services_.reporting.notice_sender);
    if (const auto hop = parse_hop(way.next_hop))
        way.domain = mail::to_a_labels(hop->host).value_or(hop->host);
    if (options_.sender_dependent && !attempt.request.envelope->sender.is_null())
        way.sender = attempt.request.envelope->sender.address().key();
    auto policy = co_await choose_tls_policy(options_, policy_maps_, way.next_hop);
    if (!policy) {
        attempt.settle(not_now({4, 3, 0}, policy.error()));
        co_return std::move(attempt.report);
    }
    way.tls = std::move(*policy);
    const std::string key = way.sender + " " + way.next_hop;
    if (auto kept = idle_.take(key)) {
        const auto endpoint = kept->endpoint;
        const bool answered = co_await use(attempt, std::move(kept), key);
        // It may have been closed meanwhile: then that host is tried anew.
        if (answered)
            attempt.tried.insert(endpoint);
        else
            attempt.forget();
    }
    if (!attempt.open.empty()) co_await try_hosts(attempt, way, key);
    attempt.settle(not_now({4, 4, 4}, "no server to connect to"));
    co_return std::move(attempt.report);
}

/// The hosts of the next hop in their order, then those of the fallback relays, until every recipient is
/// delivered or refused for good. A recipient that one host puts off is offered to the next
/// (RFC 5321 §5.1); of its answers the last is kept.
env::Task<void> SmtpClientTransport::try_hosts(Attempt& attempt, const Way& way, const std::string& key) {
    const auto begun = services_.loop.clock().steady();
    std::vector<std::string> hops{way.next_hop};
    hops.insert(hops.end(), options_.fallback_relay.begin(), options_.fallback_relay.end());
    std::optional<Trouble> last;
    for (const auto& hop : hops) {
        auto found = co_await targets(hop);
        if (!found) {
            last = found.error();
            if (last->ours) break;  // a fallback relay might send the mail back to us
            continue;
        }
        std::uint32_t addresses = 0, sessions = 0;
        for (const auto& target : found->list) {
            if (options_.mx_address_limit > 0 && addresses >= options_.mx_address_limit) break;
            if (options_.mx_session_limit > 0 && sessions >= options_.mx_session_limit) break;
            if (!attempt.tried.insert(target.endpoint).second) continue;
            ++addresses;
            if (!attempt.last_words.empty())
                services_.events.note(
                    base::Severity::Info, name_,
                    attempt.request.id.text() + ": " + attempt.last_words + "; trying the next host");
            attempt.last_words.clear();
            auto connection = co_await connect(target, way);
            if (!connection) {
                last = connection.error();
                services_.events.note(base::Severity::Info, name_, last->text);
                if (last->status.is_permanent())
                    break;  // a greeting that smtp_skip_5xx_greeting = no believes
                continue;
            }
            ++sessions;
            attempt.report.setup_seconds += (*connection)->setup_seconds;
            co_await use(attempt, std::move(*connection), key);
            if (attempt.open.empty()) co_return;
        }
        if (found->includes_us || (last && last->status.is_permanent())) break;
    }
    if (!last) co_return;
    if (last->ours && !options_.best_mx_transport.empty()) {
        co_await pass_on(attempt);
        co_return;
    }
    if (attempt.nothing_heard())
        attempt.report.setup_seconds =
            std::chrono::duration<double>(services_.loop.clock().steady() - begun).count();
    auto result = not_now(last->status, last->text);
    result.destination_failed = !last->status.is_permanent();
    attempt.settle(result);
}

/// The best mail host is this machine: best_mx_transport takes what is still open.
env::Task<void> SmtpClientTransport::pass_on(Attempt& attempt) {
    const auto choice = routing::parse_transport(options_.best_mx_transport, "", attempt.request.next_hop);
    queue::Transport* transport = services_.transport ? services_.transport(choice.transport) : nullptr;
    if (!transport || transport == this) {
        attempt.settle(not_now(
            {4, 3, 5},
            fmt::format("best_mx_transport: '{}' is not another service of master.cf", choice.transport)));
        co_return;
    }
    queue::DeliveryRequest request;
    request.id = attempt.request.id;
    request.envelope = attempt.request.envelope;
    for (const auto index : attempt.open) request.recipients.push_back(attempt.request.recipients[index]);
    request.transport = choice.transport;
    request.next_hop = choice.next_hop;
    request.content = attempt.content.release();
    request.arrived = attempt.request.arrived;
    request.attempt = attempt.request.attempt;
    auto report = co_await transport->deliver(std::move(request));
    for (std::size_t i = 0; i < attempt.open.size(); ++i)
        attempt.heard[attempt.open[i]] = report.recipients[i];
    attempt.report.setup_seconds = report.setup_seconds;
    attempt.report.transmission_seconds = report.transmission_seconds;
    attempt.open.clear();
}

/// One connection, all recipients that are still open. False: the other side answered nothing.
env::Task<bool> SmtpClientTransport::use(Attempt& attempt, std::unique_ptr<SmtpConnection> connection,
                                         const std::string& key) {
    attempt.report.connection_uses = static_cast<int>(++connection->uses);
    const auto started = services_.loop.clock().steady();
    const Transaction done = co_await transact(*connection, attempt);
    attempt.report.transmission_seconds +=
        std::chrono::duration<double>(services_.loop.clock().steady() - started).count();
    if (done == Transaction::Reusable)
        idle_.keep(key, std::move(connection));
    else
        connection->stream->close();
    co_return done != Transaction::Unanswered;
}

env::Task<bool> SmtpClientTransport::send_content(SmtpConnection& c, OutgoingContent& content, bool chunked) {
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

void SmtpClientTransport::tell_changes(Attempt& attempt) {
    for (const auto& note : attempt.content.take_notes())
        services_.events.note(base::Severity::Info, name_, attempt.request.id.text() + ": " + note);
}

queue::RecipientResult SmtpClientTransport::result_of(const SmtpConnection& c,
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

/// One message to one host, for the recipients that are still open.
env::Task<SmtpClientTransport::Transaction> SmtpClientTransport::transact(SmtpConnection& c,
                                                                          Attempt& attempt) {
    using Next = smtp::ClientStep::Next;
    const auto& envelope = *attempt.request.envelope;
    const OutgoingContent::Server server{c.session.offers_eight_bit(), c.session.offers_binary(),
                                         c.session.offers_smtputf8()};
    const OutgoingContent::Message declared{envelope.body, envelope.smtputf8, !options_.disable_conversion};
    const auto fit = co_await attempt.content.fit(server, declared);
    if (!fit) {
        const std::vector<queue::RecipientResult> nobody(attempt.open.size(),
                                                         not_now({4, 3, 0}, fit.error()));
        attempt.hear(nobody);
        co_return Transaction::Spent;
    }
    smtp::ClientMessage message{attempt.sender,
                                {},
                                fit->body,
                                envelope.smtputf8,
                                fit->utf8_header,
                                envelope.dsn_return,
                                envelope.dsn_envelope_id,
                                fit->size};
    if (options_.send_xforward) message.xforward = smtp::describe(envelope, attempt.request.id.text());
    for (const auto index : attempt.open) message.recipients.push_back(attempt.recipients[index]);
    smtp::ClientStep step = c.session.send(std::move(message));
    bool broken = false, answered = false;
    while (!broken && step.next != Next::Finished && step.next != Next::Failed) {
        const auto until = services_.loop.clock().steady() + timeout(step.wait);
        bool sent = co_await c.say(std::move(step.output), until);
        if (sent && step.next == Next::Content) {
            sent = co_await send_content(c, attempt.content, step.chunked);
            tell_changes(attempt);
            if (attempt.content.failed()) c.errors.add(mail::ErrorClass::Data);
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
    std::vector<queue::RecipientResult> results;
    for (const auto& outcome : c.session.results()) {
        results.push_back(result_of(c, outcome));
        if (outcome.reply && !outcome.delivered) note_reply(c, outcome.reply->code);
    }
    attempt.hear(results);
    if (!attempt.about_notice) report_session(c);
    c.errors = {};
    if (c.transcript) c.transcript->forget();
    if (broken && !answered) co_return Transaction::Unanswered;
    const bool reusable = !broken && step.next == Next::Finished && c.session.reusable();
    co_return reusable ? Transaction::Reusable : Transaction::Spent;
}

}  // namespace delivery
