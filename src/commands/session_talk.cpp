#include "commands/session_talk.hpp"

#include "base/base64.hpp"
#include "base/text.hpp"
#include "commands/reply_meaning.hpp"
#include "platform/openssl_tls.hpp"

#include <algorithm>
#include <ctime>
#include <fmt/chrono.h>
#include <fmt/format.h>

namespace commands {
namespace {

constexpr std::size_t reply_octets_max = 64 * 1024;  // a hostile server may talk without end
constexpr std::size_t read_octets = 4096;
constexpr std::size_t secret_octets_min = 3;  // a shorter one would be found everywhere

double seconds(env::Duration time) { return std::chrono::duration<double>(time).count(); }

}  // namespace

void SessionTalk::keep_secret(const std::string& text) {
    if (text.size() < secret_octets_min) return;
    secrets_.push_back(text);
    const std::string encoded = base::base64_encode(text);
    secrets_.push_back(encoded);
    std::string bare = encoded;
    while (bare.ends_with('=')) bare.pop_back();
    if (bare != encoded) secrets_.push_back(std::move(bare));
    std::ranges::sort(secrets_, [](const auto& a, const auto& b) { return a.size() > b.size(); });
}

std::string SessionTalk::masked(std::string_view text) const {
    std::string out(text);
    constexpr std::string_view mask = "(secret)", challenge = "334 ";
    if (text.starts_with(challenge)) {  // base64, in which a secret need not begin where we would look
        const auto said = base::base64_decode(text.substr(challenge.size()));
        if (said && masked(*said) != *said) return "334 " + std::string(mask);
    }
    for (const auto& secret : secrets_)
        for (auto at = out.find(secret); at != std::string::npos; at = out.find(secret, at + mask.size()))
            out.replace(at, secret.size(), mask);
    return out;
}

void SessionTalk::show(char direction, std::string_view text) {
    const double at = seconds(services_.loop.clock().steady() - start_);
    const std::string shown = base::printable(direction == '*' ? std::string(text) : masked(text));
    if (options_.output == SessionOptions::Output::Json) {
        const char* from = direction == '<' ? "server" : direction == '>' ? "client" : "note";
        record_["dialogue"].push_back({{"at", at}, {"from", from}, {"text", shown}});
    } else if (options_.output == SessionOptions::Output::Dialogue) {
        services_.out(fmt::format("{:8.3f} {} {}\n", at, direction, shown));
    }
}

void SessionTalk::finish(int status) {
    if (options_.output != SessionOptions::Output::Json) return;
    record_["exit"] = status;
    services_.out(record_.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

void SessionTalk::close() {
    if (stream_) stream_->close();
}

env::Task<std::vector<env::IpAddress>> SessionTalk::resolve() {
    std::vector<env::IpAddress> out;
    if (auto literal = env::IpAddress::parse(options_.host)) {
        out.push_back(*literal);
        co_return out;
    }
    if (base::iequals(options_.host, "localhost")) {
        out.push_back(*env::IpAddress::parse("127.0.0.1"));
        co_return out;
    }
    const auto name = dns::Name::parse(options_.host);
    if (!name || !services_.resolver) {
        show('*', options_.host + " is not a host name");
        co_return out;
    }
    for (const auto type : {dns::Type::Aaaa, dns::Type::A}) {
        auto answer = co_await services_.resolver->query(*name, type);
        for (const auto& record : answer.records) {
            if (const auto* v4 = std::get_if<dns::A>(&record))
                out.push_back(env::IpAddress::from_bytes(v4->address));
            if (const auto* v6 = std::get_if<dns::Aaaa>(&record))
                out.push_back(env::IpAddress::from_bytes(v6->address));
        }
        if (answer.temporary()) show('*', fmt::format("DNS: {}", answer.why));
    }
    if (out.empty()) show('*', options_.host + " has no address in the DNS");
    co_return out;
}

env::Task<int> SessionTalk::connect() {
    int status = session_connection;
    const auto addresses = co_await resolve();
    for (const auto& address : addresses) {
        const env::Endpoint to{address, options_.port(), {}};
        show('*', "connecting to " + to.text());
        const auto began = services_.loop.clock().steady();
        env::ConnectOptions how;
        auto connection = co_await services_.network.connect(to, how, deadline());
        if (!connection) {
            show('*', fmt::format("no connection: {}", env::to_text(connection.error())));
            continue;
        }
        stream_ = std::move(*connection);
        const auto now = services_.loop.clock().steady();
        show('*', fmt::format("connected in {:.3f} s", seconds(now - began)));
        record_["address"] = to.text();
        sent_at_ = now;
        if (!options_.implicit_tls()) co_return session_accepted;
        status = co_await start_tls();
        if (status == session_accepted) co_return status;
    }
    co_return status;
}

env::Task<int> SessionTalk::start_tls() {
    env::TlsClientSettings settings;
    const bool literal = env::IpAddress::parse(options_.host).has_value();
    if (!literal) settings.server_name = options_.host;
    settings.protocols.protocols = options_.tls_protocols;
    settings.match_names = {options_.host};  // a mismatch is shown as a problem of the certificate
    settings.ca_pem = options_.ca_pem;
    if (options_.ca_pem.empty()) settings.ca_path = "/etc/ssl/certs";
    settings.verify = options_.verify == SessionOptions::Verify::Require;
    const auto began = services_.loop.clock().steady();
    auto encrypted = co_await services_.tls.connect(std::move(stream_), settings, deadline());
    if (!encrypted) {
        show('*', "TLS failed: " + encrypted.error());
        record_["tls"] = {{"error", encrypted.error()}};
        co_return session_tls;
    }
    stream_ = std::move(*encrypted);
    sent_at_ = services_.loop.clock().steady();
    const auto* info = stream_->tls();
    show('*',
         fmt::format("TLS: {} with {} in {:.3f} s", info->protocol, info->cipher, seconds(sent_at_ - began)));
    record_["tls"] = {{"protocol", info->protocol},
                      {"cipher", info->cipher},
                      {"verified", info->peer_problem.empty()},
                      {"problem", info->peer_problem}};
    show_certificate();
    co_return session_accepted;
}

void SessionTalk::show_certificate() {
    const auto* info = stream_->tls();
    const auto facts = platform::certificate_facts(stream_->peer_chain_pem());
    if (!facts) {
        show('*', "the server showed no certificate");
        return;
    }
    const auto day = [](std::chrono::system_clock::time_point at) {
        return fmt::format("{:%Y-%m-%d}", fmt::gmtime(std::chrono::system_clock::to_time_t(at)));
    };
    std::string names;
    for (const auto& name : facts->names) names += (names.empty() ? "" : ", ") + name;
    show('*', fmt::format("certificate: {}", names.empty() ? facts->subject : names));
    show('*', fmt::format("  issued by {}, good from {} to {}", facts->issuer, day(facts->not_before),
                          day(facts->not_after)));
    show('*', "  SHA-256 " + info->peer_fingerprint);
    show('*', info->peer_problem.empty() ? "  it verifies" : "  it does not verify: " + info->peer_problem);
    record_["tls"]["certificate"] = {{"names", facts->names},
                                     {"subject", facts->subject},
                                     {"issuer", facts->issuer},
                                     {"not_before", day(facts->not_before)},
                                     {"not_after", day(facts->not_after)},
                                     {"sha256", info->peer_fingerprint}};
}

/// Without its end; nullopt: there is none (it is said why).
env::Task<std::optional<std::string>> SessionTalk::read_line(std::size_t& octets) {
    for (;;) {
        if (const auto end = input_.find('\n'); end != std::string::npos) {
            std::string line = input_.substr(0, end);
            input_.erase(0, end + 1);
            if (line.ends_with('\r')) line.pop_back();
            co_return line;
        }
        std::string piece(read_octets, '\0');
        auto got = co_await stream_->read_some(piece, deadline());
        if (!got || *got == 0) {
            show('*', got ? "the server closed the connection"
                          : fmt::format("reading: {}", env::to_text(got.error())));
            co_return std::nullopt;
        }
        octets += *got;
        if (octets > reply_octets_max) {
            show('*', "the reply has no end");
            co_return std::nullopt;
        }
        input_.append(piece, 0, *got);
    }
}

env::Task<Reply> SessionTalk::read_reply() {
    constexpr std::uint64_t code_max = 599;
    Reply reply;
    std::size_t octets = 0;
    for (;;) {
        const auto line = co_await read_line(octets);
        if (!line) co_return Reply{};
        show('<', *line);
        const auto code = base::parse_number(std::string_view(*line).substr(0, 3), code_max);
        if (!code || line->size() < 3 || *code < 200) {
            show('*', "that is not an SMTP reply");
            co_return Reply{};
        }
        reply.code = static_cast<int>(*code);
        reply.lines.push_back(line->size() > 4 ? line->substr(4) : "");
        if (line->size() < 4 || (*line)[3] != '-') break;
    }
    const double took = seconds(services_.loop.clock().steady() - sent_at_);
    const std::string meaning = reply_meaning(reply.code, reply.last());
    if (options_.output == SessionOptions::Output::Json) {
        auto& entry = record_["dialogue"].back();
        entry["took"] = took;
        entry["code"] = reply.code;
        entry["meaning"] = meaning;
    } else {
        show('*', fmt::format("{} after {:.3f} s: {}", reply.code, took, meaning));
    }
    co_return reply;
}

env::Task<bool> SessionTalk::send(std::string bytes) {
    sent_at_ = services_.loop.clock().steady();
    auto sent = co_await stream_->write(bytes, deadline());
    if (!sent) show('*', fmt::format("writing: {}", env::to_text(sent.error())));
    co_return sent.has_value();
}

env::Task<Reply> SessionTalk::command(std::string line, std::string shown) {
    show('>', shown.empty() ? line : shown);
    const bool sent = co_await send(line + "\r\n");
    if (!sent) co_return Reply{};
    Reply reply = co_await read_reply();
    co_return reply;
}

}  // namespace commands
