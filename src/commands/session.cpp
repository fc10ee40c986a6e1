#include "commands/session.hpp"

#include "base/text.hpp"
#include "commands/session_login.hpp"
#include "commands/session_talk.hpp"
#include "mail/date.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace commands {
namespace {

int status_of(const Reply& reply) {
    return reply.code == 0     ? session_connection
           : reply.code >= 500 ? session_permanent
           : reply.code >= 400 ? session_temporary
                               : session_accepted;
}

/// CRLF line ends, dots doubled at line starts (RFC 5321 §4.5.2), a CRLF at the end.
std::string dot_stuffed(std::string_view message) {
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

bool is_verb(std::string_view word) {
    constexpr std::string_view verbs[] = {"HELO", "EHLO", "MAIL",     "RCPT",   "DATA", "BDAT",
                                          "RSET", "NOOP", "QUIT",     "HELP",   "VRFY", "EXPN",
                                          "ETRN", "AUTH", "STARTTLS", "XCLIENT"};
    return std::ranges::any_of(verbs, [&](const auto verb) { return base::iequals(verb, word); });
}

class Session {
 public:
    Session(SessionOptions options, SessionServices services)
        : options_(std::move(options)), talk_(options_, std::move(services)) {}

    env::Task<int> run() {
        int status = co_await talk_.connect();
        if (status == session_accepted) {
            const bool by_hand = options_.input == SessionOptions::Input::ByHand;
            if (by_hand)
                status = co_await typed();
            else
                status = co_await converse();
            talk_.close();
        }
        talk_.finish(status);
        co_return status;
    }

 private:
    env::Task<int> converse() {
        Reply reply = co_await talk_.read_reply();
        if (reply.code == 0 || reply.code >= 400) co_return status_of(reply);
        reply = co_await hello();
        if (reply.code == 0 || reply.code >= 400) co_return status_of(reply);
        if (options_.encryption == SessionOptions::Encryption::StartTls) {
            const int secured = co_await start_tls();
            if (secured != session_accepted) co_return secured;
            reply = co_await hello();
            if (reply.code == 0 || reply.code >= 400) co_return status_of(reply);
        }
        if (!options_.user.empty()) {
            const int logged_in = co_await log_in(talk_, std::move(reply));
            if (logged_in == session_connection) co_return logged_in;
            if (logged_in != session_accepted) {
                co_await talk_.command("QUIT");
                co_return logged_in;
            }
        }
        int status = session_accepted;
        if (!options_.recipients.empty()) status = co_await transaction();
        if (status == session_connection) co_return status;
        co_await talk_.command("QUIT");
        co_return status;
    }

    env::Task<Reply> hello() {
        Reply reply = co_await talk_.command("EHLO " + options_.helo);
        co_return reply;
    }

    env::Task<int> start_tls() {
        const Reply reply = co_await talk_.command("STARTTLS");
        if (reply.code == 0) co_return session_connection;
        if (reply.code >= 400) co_return session_tls;
        const int status = co_await handshake();
        co_return status;
    }

    env::Task<int> handshake() {
        if (talk_.unread()) {  // RFC 3207 §5, from the other side
            talk_.show('*',
                       "the server sent more in clear before the handshake: it would be taken as encrypted; "
                       "giving up");
            co_return session_tls;
        }
        const int status = co_await talk_.start_tls();
        co_return status;
    }

    env::Task<int> transaction() {
        Reply reply = co_await talk_.command("MAIL FROM:<" + options_.sender + ">");
        if (reply.code == 0 || reply.code >= 400) co_return status_of(reply);
        int status = session_accepted;
        bool any = false;
        for (const auto& recipient : options_.recipients) {
            reply = co_await talk_.command("RCPT TO:<" + recipient + ">");
            if (reply.code == 0) co_return session_connection;
            any = any || reply.code < 300;
            status = std::max(status, status_of(reply));
            talk_.record()["recipients"].push_back(
                {{"address", recipient}, {"code", reply.code}, {"text", base::printable(reply.last())}});
        }
        if (!any || (!options_.message && !options_.text)) co_return status;
        reply = co_await talk_.command("DATA");
        if (reply.code == 0 || reply.code >= 400) co_return status_of(reply);
        const std::string data = dot_stuffed(options_.message ? *options_.message : made_message());
        talk_.show('>', fmt::format("({} octets of message)", data.size()));
        const bool sent = co_await talk_.send(data + ".\r\n");
        if (!sent) co_return session_connection;
        reply = co_await talk_.read_reply();
        talk_.record()["message"] = {{"code", reply.code}, {"text", base::printable(reply.last())}};
        co_return reply.code == 0 ? session_connection : std::max(status, status_of(reply));
    }

    std::string made_message() {
        std::string to;
        for (const auto& recipient : options_.recipients) to += (to.empty() ? "" : ", ") + recipient;
        auto& services = talk_.services();
        return fmt::format(
            "From: {}\nTo: {}\nSubject: a test by postrider session\nDate: {}\nMessage-ID: "
            "<{:016x}@{}>\n\n{}\n",
            options_.sender.empty() ? "postmaster@" + options_.helo : options_.sender, to,
            mail::format_date(services.loop.clock().wall(), std::chrono::minutes(0)), services.random.next(),
            options_.helo, *options_.text);
    }

    /// Commands as they are typed, until QUIT, the end of input, or the server's end.
    env::Task<int> typed() {
        Reply reply = co_await talk_.read_reply();
        int status = status_of(reply);
        bool proving = false;     // the next line is a secret
        bool logging_in = false;  // AUTH was typed
        while (reply.code != 0) {
            auto line = talk_.services().next_line();
            const bool ended = !line;
            if (ended) line = "QUIT";
            if (line->ends_with('\r')) line->pop_back();
            const auto words = base::split_any(*line, " ");
            const bool auth = !proving && !words.empty() && base::iequals(words[0], "AUTH");
            // What follows an AUTH that was refused may be the password all the same.
            const bool hidden = proving ? *line != "*" : logging_in && !words.empty() && !is_verb(words[0]);
            std::string shown = hidden ? "(secret)" : *line;
            logging_in = logging_in || auth;
            if (auth && words.size() > 2) shown = fmt::format("AUTH {} (secret)", words[1]);
            const bool quits = ended || (!proving && base::iequals(*line, "QUIT"));
            const bool tls = !proving && base::iequals(*line, "STARTTLS");
            reply = co_await talk_.command(std::move(*line), std::move(shown));
            if (quits) co_return status;
            status = std::max(status, status_of(reply));
            proving = reply.code == 334;
            if (reply.code == 354) reply = co_await typed_message(status);
            if (tls && reply.code == 220) {
                const int secured = co_await handshake();
                if (secured != session_accepted) co_return secured;
            }
            if (reply.code == 221 || reply.code == 421) co_return status;
        }
        co_return session_connection;
    }

    /// Lines as they are typed (dots too), up to ".".
    env::Task<Reply> typed_message(int& status) {
        for (;;) {
            auto line = talk_.services().next_line();
            const bool last = !line || *line == "." || *line == ".\r";
            if (last) line = ".";
            if (line->ends_with('\r')) line->pop_back();
            talk_.show('>', *line);
            const bool sent = co_await talk_.send(*line + "\r\n");
            if (!sent) co_return Reply{};
            if (last) break;
        }
        Reply reply = co_await talk_.read_reply();
        status = std::max(status, status_of(reply));
        co_return reply;
    }

    SessionOptions options_;
    SessionTalk talk_;
};

}  // namespace

env::Task<int> run_session(SessionOptions options, SessionServices services) {
    Session session(std::move(options), std::move(services));
    const int status = co_await session.run();
    co_return status;
}

}  // namespace commands
