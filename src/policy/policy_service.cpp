#include "policy/policy_service.hpp"

#include "base/result.hpp"
#include "base/text.hpp"
#include "config/values.hpp"

#include <fmt/format.h>

namespace policy {
namespace {

constexpr std::size_t answer_octets_max = 64 * 1024;

std::expected<env::Endpoint, std::string> parse_endpoint(std::string_view text,
                                                         const PolicyOptions& options) {
    env::Endpoint out;
    if (text.starts_with("unix:")) {
        const std::string_view path = text.substr(5);
        out.unix_path =
            path.starts_with('/') ? std::string(path) : fmt::format("{}/{}", options.queue_directory, path);
        if (!path.empty()) return out;
    } else if (text.starts_with("inet:")) {
        text.remove_prefix(5);
        const auto colon = text.rfind(':');
        std::string_view host = text.substr(0, colon);
        if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
        const bool here = host.empty() || base::iequals(host, "localhost") || colon == std::string_view::npos;
        const auto address = env::IpAddress::parse(here ? "127.0.0.1" : host);
        const auto port =
            base::parse_number(colon == std::string_view::npos ? text : text.substr(colon + 1), 65535);
        if (address && port && *port > 0) {
            out.address = *address;
            out.port = static_cast<std::uint16_t>(*port);
            return out;
        }
    }
    return std::unexpected(fmt::format("check_policy_service: '{}' is not inet:ADDRESS:PORT or unix:PATH",
                                       base::printable(text, 100)));
}

std::string request(const PolicyAttributes& attributes) {
    std::string out;
    for (const auto& [name, value] : attributes) {
        out += name;
        out += '=';
        for (const char c : value) out += c == '\n' || c == '\r' || c == '\0' ? '?' : c;
        out += '\n';
    }
    return out + "\n";
}

env::Task<std::expected<std::string, std::string>> ask_once(const PolicyService& service,
                                                            std::string question, env::Network& network,
                                                            env::Loop& loop) {
    const auto until = loop.clock().steady() + service.timeout;
    env::ConnectOptions how;
    auto stream = co_await network.connect(service.endpoint, how, until);
    if (!stream) co_return std::unexpected(std::string(env::to_text(stream.error())));
    auto sent = co_await (*stream)->write(question, until);
    if (!sent) co_return std::unexpected(std::string(env::to_text(sent.error())));
    std::string answer;
    while (answer.find("\n\n") == std::string::npos) {
        if (answer.size() > answer_octets_max) co_return std::unexpected("the answer is too long");
        char piece[2048];
        auto got = co_await (*stream)->read_some(piece, until);
        if (!got) co_return std::unexpected(std::string(env::to_text(got.error())));
        if (*got == 0) co_return std::unexpected("the connection was closed without an answer");
        answer.append(piece, *got);
    }
    for (const auto line : base::split(answer, '\n'))
        if (base::istarts_with(line, "action=")) co_return std::string(base::trim(line.substr(7)));
    co_return std::unexpected("the answer holds no action");
}

}  // namespace

std::expected<PolicyService, std::string> parse_policy_service(const std::string& text,
                                                               const PolicyOptions& options) {
    PolicyService out;
    out.timeout = options.policy_timeout;
    out.retry_delay = options.policy_retry_delay;
    out.tries = options.policy_tries;
    out.default_action = options.policy_default_action;
    out.context = options.policy_context;
    const auto inner = config::inside_braces(text);
    const auto words = config::split_list(inner ? *inner : std::string_view(text));
    if (words.empty()) return std::unexpected("check_policy_service needs inet:ADDRESS:PORT or unix:PATH");
    out.text = words.front();
    TRY_ASSIGN(out.endpoint, parse_endpoint(words.front(), options));
    for (std::size_t i = 1; i < words.size(); ++i) {
        std::string_view word = words[i];
        if (const auto braced = config::inside_braces(word)) word = *braced;
        const auto equals = word.find('=');
        const std::string_view name = base::trim(word.substr(0, equals));
        const std::string value(equals == std::string_view::npos ? "" : base::trim(word.substr(equals + 1)));
        const auto time = config::parse_time(value, 's');
        const auto number = base::parse_number(value, 100);
        if (name == "timeout" && time)
            out.timeout = *time;
        else if (name == "retry_delay" && time)
            out.retry_delay = *time;
        else if (name == "try_limit" && number && *number > 0)
            out.tries = static_cast<std::uint32_t>(*number);
        else if (name == "default_action")
            out.default_action = value;
        else if (name == "policy_context")
            out.context = value;
        else if (name != "max_idle" && name != "max_ttl" && name != "request_limit")  // of kept connections
            return std::unexpected(
                fmt::format("check_policy_service: '{}' is not understood", base::printable(word, 60)));
    }
    return out;
}

env::Task<std::expected<std::string, std::string>> ask_policy_service(const PolicyService& service,
                                                                      PolicyAttributes attributes,
                                                                      env::Network& network,
                                                                      env::Loop& loop) {
    const std::string question = request(attributes);
    std::expected<std::string, std::string> answer = std::unexpected("never asked");
    for (std::uint32_t tried = 0; tried < service.tries; ++tried) {
        if (tried > 0) co_await loop.sleep(service.retry_delay);
        answer = co_await ask_once(service, question, network, loop);
        if (answer) break;
    }
    co_return answer;
}

}  // namespace policy
