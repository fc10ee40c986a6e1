// postrider session: its command line.
#include "base/text.hpp"
#include "commands/session.hpp"
#include "commands/session_usage.hpp"

#include <algorithm>
#include <cstdlib>
#include <fmt/format.h>

namespace commands {
namespace {

using Encryption = SessionOptions::Encryption;
using Problem = std::optional<std::string>;

struct Parsing {
    SessionOptions& options;
    const SessionInputs& inputs;
};

Problem read_into(const Parsing& parsing, const std::string& path, std::string& out) {
    auto text = parsing.inputs.read_file(path);
    if (!text) return text.error();
    out = std::move(*text);
    return std::nullopt;
}

/// An option whose value is kept as it is.
struct TextOption {
    std::string_view name;
    std::string SessionOptions::* field;
};
constexpr TextOption text_options[] = {
    {"--from", &SessionOptions::sender},       {"--helo", &SessionOptions::helo},
    {"--user", &SessionOptions::user},         {"--auth", &SessionOptions::mechanism},
    {"--resolver", &SessionOptions::resolver}, {"--tls-protocols", &SessionOptions::tls_protocols},
};

/// An option whose value is worked on.
struct ValueOption {
    std::string_view name;
    Problem (*take)(const Parsing&, const std::string& value);
};
constexpr ValueOption value_options[] = {
    {"--to",
     [](const Parsing& p, const std::string& value) -> Problem {
         p.options.recipients.push_back(value);
         return std::nullopt;
     }},
    {"--text",
     [](const Parsing& p, const std::string& value) -> Problem {
         p.options.text = value;
         return std::nullopt;
     }},
    {"--send",
     [](const Parsing& p, const std::string& value) -> Problem {
         return read_into(p, value, p.options.message.emplace());
     }},
    {"--ca-file",
     [](const Parsing& p, const std::string& value) -> Problem {
         return read_into(p, value, p.options.ca_pem);
     }},
    {"--password-file",
     [](const Parsing& p, const std::string& value) -> Problem {
         std::string text;
         if (auto problem = read_into(p, value, text)) return problem;
         p.options.password = text.substr(0, text.find_first_of("\r\n"));
         return p.options.password.empty() ? Problem(value + ": its first line is empty") : std::nullopt;
     }},
    {"--timeout",
     [](const Parsing& p, const std::string& value) -> Problem {
         constexpr std::uint64_t seconds_max = 3600;
         const auto seconds = base::parse_number(value, seconds_max);
         if (!seconds || *seconds == 0) return "--timeout: a number of seconds from 1 to 3600";
         p.options.timeout = std::chrono::seconds(*seconds);
         return std::nullopt;
     }},
};

bool take_flag(const std::string& word, SessionOptions& options) {
    if (word == "--tls")
        options.encryption = Encryption::StartTls;
    else if (word == "--implicit-tls")
        options.encryption = Encryption::Implicit;
    else if (word == "--no-tls")
        options.encryption = Encryption::None;
    else if (word == "--verify")
        options.verify = SessionOptions::Verify::Require;
    else if (word == "--by-hand")
        options.input = SessionOptions::Input::ByHand;
    else if (word == "--json")
        options.output = SessionOptions::Output::Json;
    else if (word == "--quiet")
        options.output = SessionOptions::Output::Quiet;
    else
        return false;
    return true;
}

/// HOST, HOST:PORT, [V6]:PORT, V6.
Problem take_host(std::string_view host, SessionOptions& options) {
    const auto colon = host.rfind(':');
    const bool bracketed = host.starts_with('[') && host.find(']') != std::string_view::npos;
    const bool has_port =
        colon != std::string_view::npos && (host.find(':') == colon || (bracketed && colon > host.find(']')));
    if (has_port) {
        const auto port = base::parse_number(host.substr(colon + 1), UINT16_MAX);
        if (!port || *port == 0) return "the port after ':' is a number from 1 to 65535";
        options.given_port = static_cast<std::uint16_t>(*port);
        host = host.substr(0, colon);
    }
    if (bracketed && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    options.host = host;
    return std::nullopt;
}

/// What the options ask for together.
Problem complete(SessionOptions& options, const SessionInputs& inputs) {
    if (options.host.empty()) return std::string(session_usage);
    if (options.message && options.text) return "--send and --text: one message is enough";
    if ((options.message || options.text) && options.recipients.empty())
        return "--send and --text need a --to";
    if (options.user.empty() || !options.password.empty()) return std::nullopt;
    if (const char* password = std::getenv("POSTRIDER_PASSWORD")) options.password = password;
    if (options.password.empty() && inputs.ask_password)
        options.password = inputs.ask_password().value_or("");
    if (options.password.empty())
        return "--user needs a password: --password-file, $POSTRIDER_PASSWORD, or a terminal to ask on";
    return std::nullopt;
}

}  // namespace

std::expected<SessionOptions, std::string> parse_session_arguments(const std::vector<std::string>& arguments,
                                                                   const SessionInputs& inputs) {
    SessionOptions options;
    const auto wrong = [](std::string text) {
        return std::unexpected(text.ends_with('\n') ? std::move(text) : "postrider session: " + text + "\n");
    };
    const Parsing parsing{options, inputs};
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const auto& word = arguments[i];
        if (word == "--help" || word == "-h") return std::unexpected(std::string(session_usage));
        if (take_flag(word, options)) continue;
        const auto* text = std::ranges::find(text_options, word, &TextOption::name);
        const auto* option = std::ranges::find(value_options, word, &ValueOption::name);
        Problem problem;
        if (text != std::end(text_options) || option != std::end(value_options)) {
            if (++i >= arguments.size()) return wrong(word + " needs a value");
            if (arguments[i].find_first_of("\r\n") != std::string::npos && word != "--text")
                return wrong(word + ": the value holds a line end");
            if (text != std::end(text_options))
                options.*(text->field) = arguments[i];
            else
                problem = option->take(parsing, arguments[i]);
        } else if (!word.starts_with("-") && options.host.empty()) {
            problem = take_host(word, options);
        } else {
            return wrong(fmt::format("do not know '{}'\n{}", word, session_usage));
        }
        if (problem) return wrong(std::move(*problem));
    }
    if (auto problem = complete(options, inputs)) return wrong(std::move(*problem));
    return options;
}

}  // namespace commands
