// `postrider session HOST[:PORT]`: an SMTP client for debugging by hand, as people use telnet, openssl
// s_client and swaks. Shows the dialogue with timing, does STARTTLS or implicit TLS, sends a message. Belongs
// to one loop.
#pragma once

#include "env/loop.hpp"
#include "env/network.hpp"
#include "env/random.hpp"
#include "env/resolver.hpp"
#include "env/tls.hpp"

#include <functional>
#include <string>
#include <vector>

namespace commands {

struct SessionOptions {
    std::string host;
    std::uint16_t port = 25;
    std::string helo = "localhost";
    std::string sender;
    std::vector<std::string> recipients;
    std::string message;  // octets to send after DATA; any line ends; empty: no message
    bool has_message = false;
    enum class Encryption { None, StartTls, Implicit } encryption = Encryption::None;
    std::string user, password, mechanism;  // AUTH; mechanism empty: the best that is offered
    std::string resolver;                   // HOST:PORT; empty: the machine's
    bool json = false;
    bool quiet = false;  // no dialogue, only the result
    std::chrono::seconds timeout{30};
};

struct SessionServices {
    env::Loop& loop;
    env::Network& network;
    env::Tls& tls;
    env::Random& random;
    env::Resolver* resolver;  // nullptr: only addresses and "localhost"
    std::function<void(std::string_view)> out;
};

/// Parses the verb's arguments; the string is what to tell the user (usage, exit 64).
std::expected<SessionOptions, std::string> parse_session_arguments(
    const std::vector<std::string>& arguments,
    const std::function<std::string(const std::string&)>& read_file);

/// Exit status: 0 everything accepted, 1 the server refused something, 2 no connection or a broken one.
env::Task<int> run_session(SessionOptions options, SessionServices services);

std::string session_usage();

}  // namespace commands
