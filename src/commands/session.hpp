// `postrider session HOST[:PORT]`: an SMTP client for debugging by hand, as people use telnet, openssl
// s_client and swaks. Shows the dialogue with the time each reply took and what it means, does STARTTLS or
// implicit TLS, logs in, sends a message; or sends what is typed. Belongs to one loop.
#pragma once

#include "env/loop.hpp"
#include "env/network.hpp"
#include "env/random.hpp"
#include "env/resolver.hpp"
#include "env/tls.hpp"

#include <chrono>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace commands {

/// Exit statuses of `postrider session`, besides 64 (usage).
constexpr int session_accepted = 0;    // everything was accepted
constexpr int session_connection = 2;  // no connection, or it broke off
constexpr int session_tls = 3;         // TLS was asked for and did not come about, or does not verify
constexpr int session_login = 4;       // the login failed
constexpr int session_temporary = 5;   // something was refused for now (4xx)
constexpr int session_permanent = 6;   // something was refused for good (5xx)

struct SessionOptions {
    std::string host;
    std::optional<std::uint16_t> given_port;
    std::string helo = "localhost";
    std::string sender;
    std::vector<std::string> recipients;
    std::optional<std::string> message;  // octets to send after DATA, any line ends
    std::optional<std::string> text;     // the text of a message that is made here
    enum class Encryption { Automatic, None, StartTls, Implicit } encryption = Encryption::Automatic;
    enum class Verify { Show, Require } verify = Verify::Show;  // of the certificate
    std::string ca_pem;                                         // empty: the system's authorities
    std::string tls_protocols = ">=TLSv1";                      // what old servers have shall be seen
    std::string user, password, mechanism;  // AUTH; mechanism empty: the best that is offered
    std::string resolver;                   // HOST:PORT; empty: the machine's
    enum class Input { Options, ByHand } input = Input::Options;  // ByHand: commands come from standard input
    enum class Output { Dialogue, Quiet, Json } output = Output::Dialogue;
    std::chrono::seconds timeout{30};

    /// Port 465 has TLS from the first octet (RFC 8314 §3.3).
    bool implicit_tls() const {
        return encryption == Encryption::Implicit ||
               (encryption == Encryption::Automatic && given_port == 465);
    }
    std::uint16_t port() const { return given_port.value_or(encryption == Encryption::Implicit ? 465 : 25); }
};

/// What parsing may ask for.
struct SessionInputs {
    std::function<std::expected<std::string, std::string>(const std::string& path)> read_file;
    std::function<std::optional<std::string>()> ask_password;  // nullopt: there is nobody to ask
};

struct SessionServices {
    env::Loop& loop;
    env::Network& network;
    env::Tls& tls;
    env::Random& random;
    env::Resolver* resolver;  // nullptr: only addresses and "localhost"
    std::function<void(std::string_view)> out;
    std::function<std::optional<std::string>()> next_line;  // typed; nullopt: the end
};

/// Parses the verb's arguments; the string is what to tell the user (usage, exit 64).
std::expected<SessionOptions, std::string> parse_session_arguments(const std::vector<std::string>& arguments,
                                                                   const SessionInputs& inputs);

/// An exit status.
env::Task<int> run_session(SessionOptions options, SessionServices services);

}  // namespace commands
