#include "acme/challenge_server.hpp"

#include "acme/certificate.hpp"
#include "base/text.hpp"

#include <fmt/format.h>

namespace acme {
namespace {

constexpr std::string_view well_known = "/.well-known/acme-challenge/";
constexpr auto pause_after_error = std::chrono::seconds(1);

struct CountedConnection {
    explicit CountedConnection(std::size_t& count) : count(count) { ++count; }
    ~CountedConnection() { --count; }
    CountedConnection(const CountedConnection&) = delete;
    std::size_t& count;
};

/// The file of a proof, folders and all. Runs on a worker.
std::expected<void, std::string> write_proof(env::FileSystem& files, const std::string& webroot,
                                             const std::string& token, const std::string& text) {
    constexpr std::uint32_t folder_mode = 0755, file_mode = 0644;
    std::string folder = webroot;
    for (const auto* part : {"/.well-known", "/acme-challenge"}) {
        folder += part;
        if (!files.stat(folder)) static_cast<void>(files.make_directory(folder, folder_mode));
    }
    const std::string path = folder + "/" + token;
    static_cast<void>(files.remove(path));
    auto file = files.open(path, env::OpenMode::CreateExclusive, file_mode);
    auto written = file ? (*file)->write(text) : std::unexpected(file.error());
    if (written) return {};
    return std::unexpected(fmt::format("cannot write {}: {}; mail_owner must be able to write {}{}", path,
                                       env::to_text(written.error()), webroot, well_known));
}

std::string http_answer(const std::string* text) {
    constexpr std::string_view nothing = "nothing here\n";
    const std::string_view body = text ? std::string_view(*text) : nothing;
    return fmt::format("HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}",
                       text ? "200 OK" : "404 Not Found", text ? "application/octet-stream" : "text/plain",
                       body.size(), body);
}

}  // namespace

std::optional<std::string> asked_token(std::string_view head) {
    const std::string_view line = head.substr(0, head.find("\r\n"));
    constexpr std::string_view get = "GET ";
    if (!line.starts_with(get)) return std::nullopt;
    std::string_view target = line.substr(get.size());
    const auto space = target.find(' ');
    if (space == std::string_view::npos || !target.substr(space + 1).starts_with("HTTP/1."))
        return std::nullopt;
    target = target.substr(0, space);
    if (!target.starts_with(well_known)) return std::nullopt;
    target.remove_prefix(well_known.size());
    if (!is_base64url(target)) return std::nullopt;
    return std::string(target);
}

struct ChallengeServer::State {
    explicit State(Services services) : services(services) {}
    Services services;
    std::map<std::string, std::string> by_token;  // HTTP-01: key authorizations
    struct Shown {
        Proof proof;
        env::TlsCertificate certificate;
    };
    std::map<std::string, Shown> by_name;  // TLS-ALPN-01
    std::shared_ptr<const env::TlsServerContext> context;
    std::vector<std::unique_ptr<env::Listener>> listeners;
    std::size_t connections = 0;
    bool closed = false;

    std::expected<void, std::string> renew_context() {
        context.reset();
        if (by_name.empty()) return {};
        env::TlsServerSettings settings;
        settings.certificates.push_back(by_name.begin()->second.certificate);
        for (const auto& [name, shown] : by_name) settings.sni.emplace_back(name, shown.certificate);
        settings.alpn = {"acme-tls/1"};
        auto made = services.tls.make_server_context(settings);
        if (!made) return std::unexpected(made.error());
        context = std::move(*made);
        return {};
    }
};

ChallengeServer::ChallengeServer(Services services) : state_(std::make_shared<State>(services)) {}

void ChallengeServer::serve_http(std::unique_ptr<env::Listener> listener) {
    state_->listeners.push_back(std::move(listener));
    state_->services.loop.spawn(accept_http(state_, *state_->listeners.back()));
}

void ChallengeServer::serve_tls(std::unique_ptr<env::Listener> listener) {
    state_->listeners.push_back(std::move(listener));
    state_->services.loop.spawn(accept_tls(state_, *state_->listeners.back()));
}

void ChallengeServer::close() {
    state_->closed = true;
    for (const auto& listener : state_->listeners) listener->close();
}

env::Task<std::expected<void, std::string>> ChallengeServer::publish(Proof proof) {
    if (proof.type == ChallengeType::Http01) {
        state_->by_token[proof.token] = proof.key_authorization;
        if (webroot_.empty()) co_return std::expected<void, std::string>{};
        auto work = [&files = state_->services.files, webroot = webroot_, proof] {
            return write_proof(files, webroot, proof.token, proof.key_authorization);
        };
        auto written = co_await state_->services.workers.run(std::move(work));
        co_return written;
    }
    const Key key = Key::generate(KeyType::Ecdsa);
    const auto now = state_->services.loop.clock().wall();
    const std::string pem = challenge_certificate(key, proof.name, sha256(proof.key_authorization), now);
    const std::string name = proof.name;
    state_->by_name[name] = {std::move(proof), {pem, key.pem()}};
    auto renewed = state_->renew_context();
    co_return renewed;
}

env::Task<void> ChallengeServer::withdraw(Proof proof) {
    if (proof.type == ChallengeType::TlsAlpn01) {
        state_->by_name.erase(proof.name);
        static_cast<void>(state_->renew_context());
        co_return;
    }
    state_->by_token.erase(proof.token);
    if (webroot_.empty()) co_return;
    auto work = [&files = state_->services.files, path = webroot_ + std::string(well_known) + proof.token] {
        return files.remove(path).has_value();
    };
    co_await state_->services.workers.run(std::move(work));
}

env::Task<void> ChallengeServer::accept_http(std::shared_ptr<State> state, env::Listener& listener) {
    while (!state->closed) {
        auto stream = co_await listener.accept();
        if (state->closed) co_return;
        if (!stream) {
            co_await state->services.loop.sleep(pause_after_error);
        } else if (state->connections < connections_max) {
            state->services.loop.spawn(answer_http(state, std::move(*stream)));
        }
    }
}

env::Task<void> ChallengeServer::accept_tls(std::shared_ptr<State> state, env::Listener& listener) {
    while (!state->closed) {
        auto stream = co_await listener.accept();
        if (state->closed) co_return;
        if (!stream) {
            co_await state->services.loop.sleep(pause_after_error);
        } else if (state->connections < connections_max && state->context) {
            state->services.loop.spawn(answer_tls(state, std::move(*stream)));
        }
    }
}

env::Task<void> ChallengeServer::answer_http(std::shared_ptr<State> state,
                                             std::unique_ptr<env::Stream> stream) {
    const CountedConnection counted(state->connections);
    const auto deadline = state->services.loop.clock().steady() + connection_time_max;
    std::string head;
    while (head.find("\r\n\r\n") == std::string::npos) {
        constexpr std::size_t piece_octets = 2048;
        char piece[piece_octets];
        const std::span<char> into(piece);
        const auto got = co_await stream->read_some(into, deadline);
        if (!got || *got == 0 || head.size() + *got > head_octets_max) {
            stream->close();
            co_return;
        }
        head.append(piece, *got);
    }
    const auto token = asked_token(head);
    const auto found = token ? state->by_token.find(*token) : state->by_token.end();
    const std::string answer = http_answer(found == state->by_token.end() ? nullptr : &found->second);
    const auto sent = co_await stream->write(answer, deadline);
    if (sent) co_await stream->shutdown(deadline);
    stream->close();
}

// The handshake is all that is wanted (RFC 8737 §3).
env::Task<void> ChallengeServer::answer_tls(std::shared_ptr<State> state,
                                            std::unique_ptr<env::Stream> stream) {
    const CountedConnection counted(state->connections);
    const auto deadline = state->services.loop.clock().steady() + connection_time_max;
    const auto context = state->context;
    auto secure = co_await state->services.tls.accept(std::move(stream), context, deadline);
    if (!secure) co_return;
    co_await (*secure)->shutdown(deadline);
    (*secure)->close();
}

}  // namespace acme
