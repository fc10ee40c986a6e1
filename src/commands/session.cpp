#include "commands/session.hpp"

#include "base/base64.hpp"
#include "base/text.hpp"
#include "sasl/client.hpp"

#include <cstdlib>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace commands {
namespace {

constexpr std::size_t reply_octets_max = 64 * 1024;  // a hostile server may talk without end
constexpr std::size_t read_octets = 4096;

/// What a reply code means, for people (RFC 5321 §4.2.3, RFC 4954, RFC 3207).
std::string_view explain(int code) {
    switch (code) {
        case 220:
            return "the server is ready";
        case 221:
            return "the server closes the connection, as asked";
        case 235:
            return "authenticated";
        case 250:
            return "done";
        case 252:
            return "it will not say whether the mailbox exists, but would try to deliver";
        case 334:
            return "the server waits for the next part of the password exchange";
        case 354:
            return "the server waits for the message";
        case 421:
            return "the server is closing the connection: too busy, shutting down, or a limit was reached; "
                   "try later";
        case 450:
            return "not now: the mailbox is busy or the server wants you to come back (greylisting is "
                   "common)";
        case 451:
            return "a problem on the server's side; the same message may work later";
        case 452:
            return "the server is short of space or takes no more recipients now; try later";
        case 454:
            return "TLS or authentication is not available at the moment";
        case 500:
            return "the server did not understand the command";
        case 501:
            return "the command's argument is wrong";
        case 502:
            return "the command is not implemented";
        case 503:
            return "the commands came in the wrong order";
        case 504:
            return "the parameter is not supported";
        case 521:
            return "this host takes no mail";
        case 530:
            return "log in (or start TLS) first";
        case 535:
            return "wrong user name or password";
        case 550:
            return "refused: no such mailbox, or a policy says no; the text tells which";
        case 551:
            return "the user is not here";
        case 552:
            return "too large, or the mailbox is full";
        case 553:
            return "the address is not allowed";
        case 554:
            return "refused for good; the text tells why";
        case 555:
            return "a parameter of MAIL or RCPT is not supported";
        case 556:
            return "the domain takes no mail (null MX)";
        default:
            return code < 300   ? "accepted"
                   : code < 400 ? "go on"
                   : code < 500 ? "refused for now"
                                : "refused for good";
    }
}

struct Reply {
    int code = 0;
    std::vector<std::string> lines;
};

class Session {
 public:
    Session(SessionOptions options, SessionServices services)
        : options_(std::move(options)),
          services_(std::move(services)),
          start_(services_.loop.clock().steady()) {}

    env::Task<int> run() {
        const bool connected = co_await connect();
        if (!connected) co_return finish(2);
        const int status = co_await converse();
        stream_->close();
        co_return finish(status);
    }

 private:
    env::SteadyTime deadline() const { return services_.loop.clock().steady() + options_.timeout; }

    void show(char direction, std::string_view text) {
        const double seconds =
            std::chrono::duration<double>(services_.loop.clock().steady() - start_).count();
        if (options_.json) {
            record_["dialogue"].push_back({{"at", seconds},
                                           {"from", direction == '<'   ? "server"
                                                    : direction == '>' ? "client"
                                                                       : "note"},
                                           {"text", base::printable(text)}});
        } else if (!options_.quiet) {
            services_.out(fmt::format("{:8.3f} {} {}\n", seconds, direction, base::printable(text)));
        }
    }

    int finish(int status) {
        if (options_.json) {
            record_["exit"] = status;
            services_.out(record_.dump(2) + "\n");
        }
        return status;
    }

    env::Task<bool> connect() {
        auto addresses = co_await resolve();
        for (const auto& address : addresses) {
            const env::Endpoint to{address, options_.port, {}};
            show('*', "connecting to " + to.text());
            env::ConnectOptions how;
            auto connection = co_await services_.network.connect(to, how, deadline());
            if (!connection) {
                show('*', fmt::format("no connection: {}", env::to_text(connection.error())));
                continue;
            }
            stream_ = std::move(*connection);
            if (options_.encryption != SessionOptions::Encryption::Implicit) co_return true;
            const bool encrypted = co_await start_tls();
            if (encrypted) co_return true;
        }
        co_return false;
    }

    env::Task<std::vector<env::IpAddress>> resolve() {
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

    env::Task<bool> start_tls() {
        env::TlsClientSettings settings;
        settings.server_name = options_.host;
        settings.verify = false;
        auto encrypted = co_await services_.tls.connect(std::move(stream_), settings, deadline());
        if (!encrypted) {
            show('*', "TLS failed: " + encrypted.error());
            co_return false;
        }
        stream_ = std::move(*encrypted);
        if (const auto* info = stream_->tls()) {
            show('*', fmt::format("TLS: {} with {}{}", info->protocol, info->cipher,
                                  info->peer_problem.empty()
                                      ? ""
                                      : "; the certificate does not verify: " + info->peer_problem));
        }
        co_return true;
    }

    /// One whole reply. code 0: the connection broke or the reply is not SMTP.
    env::Task<Reply> read_reply() {
        Reply reply;
        std::size_t octets = 0;
        for (;;) {
            const auto end = input_.find('\n');
            if (end == std::string::npos) {
                std::string piece(read_octets, '\0');
                auto got = co_await stream_->read_some(piece, deadline());
                if (!got || *got == 0) {
                    show('*', got ? "the server closed the connection"
                                  : fmt::format("reading: {}", env::to_text(got.error())));
                    co_return Reply{};
                }
                octets += *got;
                if (octets > reply_octets_max) {
                    show('*', "the reply has no end");
                    co_return Reply{};
                }
                input_.append(piece, 0, *got);
                continue;
            }
            std::string line = input_.substr(0, end);
            input_.erase(0, end + 1);
            if (line.ends_with('\r')) line.pop_back();
            show('<', line);
            const auto code = base::parse_number(std::string_view(line).substr(0, 3), 599);
            if (!code || line.size() < 3) {
                show('*', "that is not an SMTP reply");
                co_return Reply{};
            }
            reply.code = static_cast<int>(*code);
            reply.lines.push_back(line.size() > 4 ? line.substr(4) : "");
            if (line.size() < 4 || line[3] != '-') co_return reply;
        }
    }

    env::Task<bool> send(std::string bytes) {
        auto sent = co_await stream_->write(bytes, deadline());
        if (!sent) show('*', fmt::format("writing: {}", env::to_text(sent.error())));
        co_return sent.has_value();
    }

    env::Task<Reply> command(std::string line) {
        show('>', line);
        const bool sent = co_await send(line + "\r\n");
        if (!sent) co_return Reply{};
        Reply reply = co_await read_reply();
        if (reply.code >= 400) show('*', fmt::format("{}: {}", reply.code, explain(reply.code)));
        co_return reply;
    }

    static int status_of(const Reply& reply) { return reply.code == 0 ? 2 : reply.code >= 400 ? 1 : 0; }

    env::Task<int> converse() {
        Reply reply = co_await read_reply();
        if (status_of(reply) != 0) co_return status_of(reply);
        reply = co_await command("EHLO " + options_.helo);
        if (status_of(reply) != 0) co_return status_of(reply);
        if (options_.encryption == SessionOptions::Encryption::StartTls) {
            reply = co_await command("STARTTLS");
            if (status_of(reply) != 0) co_return status_of(reply);
            if (!input_.empty()) {
                show('*',
                     "the server sent more in clear before the handshake: it would be taken as encrypted; "
                     "giving up");
                co_return 2;
            }
            const bool encrypted = co_await start_tls();
            if (!encrypted) co_return 2;
            reply = co_await command("EHLO " + options_.helo);
            if (status_of(reply) != 0) co_return status_of(reply);
        }
        if (!options_.user.empty()) {
            const int logged_in = co_await log_in(reply);
            if (logged_in != 0) co_return logged_in;
        }
        int status = 0;
        if (!options_.recipients.empty()) status = co_await transaction();
        if (status == 2) co_return 2;
        reply = co_await command("QUIT");
        co_return status;
    }

    /// What is said here is never shown: passwords, and what passwords can be computed from.
    env::Task<Reply> secret(std::string shown, std::string line) {
        show('>', std::move(shown));
        const bool sent = co_await send(line + "\r\n");
        if (!sent) co_return Reply{};
        Reply reply = co_await read_reply();
        if (reply.code >= 400) show('*', fmt::format("{}: {}", reply.code, explain(reply.code)));
        co_return reply;
    }

    /// `ehlo`: the reply to the last EHLO, with the mechanisms the server offers.
    env::Task<int> log_in(Reply ehlo) {
        std::vector<std::string> offered;
        for (const auto& line : ehlo.lines)
            if (base::istarts_with(line, "AUTH "))
                for (const auto word : base::split_any(std::string_view(line).substr(5), " "))
                    offered.emplace_back(word);
        std::string octets(18, '\0');
        services_.random.fill(octets);
        const bool encrypted = stream_->tls() != nullptr;
        sasl::MechanismRules rules{encrypted || stream_->peer().address.is_loopback(),
                                   {},
                                   base::base64_encode(octets),
                                   options_.host,
                                   options_.port};
        if (!options_.mechanism.empty()) rules.only.push_back(options_.mechanism);
        const auto mechanism = sasl::choose(offered, {options_.user, options_.password}, rules);
        if (!mechanism) {
            show('*',
                 offered.empty()
                     ? "the server offers no AUTH here" + std::string(encrypted ? "" : "; with --tls it may")
                     : "none of the offered mechanisms may be used" +
                           std::string(encrypted ? "" : ": passwords are not sent without TLS"));
            co_return 1;
        }
        const std::string name(mechanism->name());
        const auto initial = mechanism->initial();
        std::string line = "AUTH " + name;
        if (initial) line += " " + (initial->empty() ? std::string("=") : base::base64_encode(*initial));
        std::string shown = "AUTH " + name + (initial ? " (secret)" : "");
        Reply reply = co_await secret(std::move(shown), std::move(line));
        while (reply.code == 334) {
            const auto challenge = base::base64_decode(reply.lines.empty() ? "" : reply.lines.back());
            const auto answer = challenge
                                    ? mechanism->respond(*challenge)
                                    : std::expected<std::string, std::string>(std::unexpected("not base64"));
            if (!answer) show('*', "giving up: " + answer.error());
            shown = answer ? "(secret)" : "*";
            line = answer ? base::base64_encode(*answer) : "*";
            reply = co_await secret(std::move(shown), std::move(line));
        }
        if (reply.code == 235 && !mechanism->satisfied()) {
            show('*', "the server did not prove that it knows the password: it may be another");
            co_return 1;
        }
        co_return status_of(reply);
    }

    env::Task<int> transaction() {
        Reply reply = co_await command("MAIL FROM:<" + options_.sender + ">");
        if (status_of(reply) != 0) co_return status_of(reply);
        int status = 0;
        std::size_t accepted = 0;
        for (const auto& recipient : options_.recipients) {
            reply = co_await command("RCPT TO:<" + recipient + ">");
            if (reply.code == 0) co_return 2;
            if (reply.code < 300)
                ++accepted;
            else
                status = 1;
        }
        if (accepted == 0 || !options_.has_message) co_return status;
        reply = co_await command("DATA");
        if (status_of(reply) != 0) co_return status_of(reply);
        const std::string data = dot_stuffed(options_.message);
        show('>', fmt::format("({} octets of message)", data.size()));
        const bool sent = co_await send(data + ".\r\n");
        if (!sent) co_return 2;
        reply = co_await read_reply();
        if (reply.code >= 400) show('*', fmt::format("{}: {}", reply.code, explain(reply.code)));
        co_return std::max(status, status_of(reply));
    }

    /// CRLF line ends, dots doubled at line starts (RFC 5321 §4.5.2), a CRLF at the end.
    static std::string dot_stuffed(std::string_view message) {
        std::string out;
        out.reserve(message.size() + message.size() / 32 + 2);
        while (!message.empty()) {
            const auto end = message.find('\n');
            std::string_view line = message.substr(0, end);
            message.remove_prefix(end == std::string_view::npos ? message.size() : end + 1);
            if (line.ends_with('\r')) line.remove_suffix(1);
            if (line.starts_with('.')) out += '.';
            for (const char c : line) out += c == '\r' ? ' ' : c;
            out += "\r\n";
        }
        return out;
    }

    SessionOptions options_;
    SessionServices services_;
    env::SteadyTime start_;
    std::unique_ptr<env::Stream> stream_;
    std::string input_;
    nlohmann::json record_ = nlohmann::json::object();
};

}  // namespace

std::string session_usage() {
    return "usage: postrider session HOST[:PORT] [options]\n"
           "  --from ADDRESS        the sender (default: the null sender)\n"
           "  --to ADDRESS          a recipient; may be given again\n"
           "  --send FILE           the message to send; - is standard input\n"
           "  --tls                 STARTTLS after EHLO\n"
           "  --implicit-tls        TLS from the first octet (port 465)\n"
           "  --user NAME           log in (AUTH), with the password from --password-file or "
           "$POSTRIDER_PASSWORD\n"
           "  --password-file FILE  its first line; - is standard input\n"
           "  --auth MECHANISM      only this one (PLAIN, LOGIN, CRAM-MD5, SCRAM-SHA-256, XOAUTH2, ...)\n"
           "  --resolver HOST:PORT  the name server to ask\n"
           "  --helo NAME           the name said in EHLO (default localhost)\n"
           "  --timeout SECONDS     for each step (default 30)\n"
           "  --quiet, --json       only the result; the dialogue as JSON\n"
           "Exit status: 0 all accepted, 1 something was refused, 2 no connection or a broken one.\n"
           "Example: postrider session mail.example.com:25 --tls --from me@example.com --to you@example.com "
           "--send message.eml\n";
}

std::expected<SessionOptions, std::string> parse_session_arguments(
    const std::vector<std::string>& arguments,
    const std::function<std::string(const std::string&)>& read_file) {
    SessionOptions options;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const auto& word = arguments[i];
        const bool takes_value = word == "--from" || word == "--to" || word == "--send" || word == "--helo" ||
                                 word == "--timeout" || word == "--user" || word == "--password-file" ||
                                 word == "--auth" || word == "--resolver";
        if (takes_value && i + 1 >= arguments.size())
            return std::unexpected(word + " needs a value\n" + session_usage());
        if (takes_value && arguments[i + 1].find_first_of("\r\n") != std::string::npos)
            return std::unexpected(word + ": the value holds a line end\n");
        if (word == "--from")
            options.sender = arguments[++i];
        else if (word == "--to")
            options.recipients.push_back(arguments[++i]);
        else if (word == "--helo")
            options.helo = arguments[++i];
        else if (word == "--user")
            options.user = arguments[++i];
        else if (word == "--auth")
            options.mechanism = arguments[++i];
        else if (word == "--resolver")
            options.resolver = arguments[++i];
        else if (word == "--password-file") {
            const std::string text = read_file(arguments[++i]);
            options.password = text.substr(0, text.find_first_of("\r\n"));
        } else if (word == "--tls")
            options.encryption = SessionOptions::Encryption::StartTls;
        else if (word == "--implicit-tls")
            options.encryption = SessionOptions::Encryption::Implicit;
        else if (word == "--json")
            options.json = true;
        else if (word == "--quiet")
            options.quiet = true;
        else if (word == "--send") {
            options.message = read_file(arguments[++i]);
            options.has_message = true;
        } else if (word == "--timeout") {
            const auto seconds = base::parse_number(arguments[++i], 3600);
            if (!seconds) return std::unexpected("--timeout: a number of seconds up to 3600\n");
            options.timeout = std::chrono::seconds(*seconds);
        } else if (!word.starts_with("-") && options.host.empty()) {
            std::string_view host = word;
            const auto colon = host.rfind(':');
            if (colon != std::string_view::npos && (host.find(':') == colon || host.starts_with('['))) {
                const auto port = base::parse_number(host.substr(colon + 1), 65535);
                if (!port) return std::unexpected("the port after ':' is a number up to 65535\n");
                options.port = static_cast<std::uint16_t>(*port);
                host = host.substr(0, colon);
            }
            if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
            options.host = host;
        } else {
            return std::unexpected("do not know '" + word + "'\n" + session_usage());
        }
    }
    if (options.host.empty()) return std::unexpected(session_usage());
    if (options.password.empty() && !options.user.empty()) {
        const char* password = std::getenv("POSTRIDER_PASSWORD");
        if (!password) return std::unexpected("--user needs --password-file or $POSTRIDER_PASSWORD\n");
        options.password = password;
    }
    if (options.has_message && options.recipients.empty()) return std::unexpected("--send needs a --to\n");
    return options;
}

env::Task<int> run_session(SessionOptions options, SessionServices services) {
    Session session(std::move(options), std::move(services));
    const int status = co_await session.run();
    co_return status;
}

}  // namespace commands
