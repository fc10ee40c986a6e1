#include "commands/judge_world.hpp"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

namespace commands {

std::expected<NamedOptions, std::string> NamedOptions::parse(const std::vector<std::string>& words,
                                                             const std::vector<std::string_view>& names) {
    NamedOptions out;
    for (std::size_t i = 0; i < words.size(); ++i) {
        const std::string_view word = words[i];
        if (!word.starts_with("--")) {
            out.rest_.emplace_back(word);
            continue;
        }
        const auto equals = word.find('=');
        const std::string name(word.substr(2, equals == std::string_view::npos ? equals : equals - 2));
        if (std::ranges::find(names, name) == names.end())
            return std::unexpected(fmt::format("--{} is not an option", name));
        if (equals != std::string_view::npos) {
            out.values_[name] = word.substr(equals + 1);
            continue;
        }
        if (i + 1 >= words.size()) return std::unexpected(fmt::format("--{} needs a value", name));
        out.values_[name] = words[++i];
    }
    return out;
}

std::string NamedOptions::get(std::string_view name, std::string fallback) const {
    const auto found = values_.find(name);
    return found == values_.end() ? std::move(fallback) : found->second;
}

std::expected<std::unique_ptr<JudgeWorld>, std::string> JudgeWorld::make(const std::string& resolver) {
    auto out = std::make_unique<JudgeWorld>();
    platform::DnsSettings settings;
    if (!resolver.empty()) settings.servers.push_back(resolver);
    auto service = platform::UnboundService::start(settings);
    if (!service) return std::unexpected(service.error());
    out->service_ = std::move(*service);
    out->resolver_ = std::make_unique<platform::UnboundResolver>(*out->service_, out->loop);
    return out;
}

std::string read_standard_input(std::size_t octets_max) {
    std::string out;
    char piece[64 * 1024];
    for (;;) {
        const ssize_t got = ::read(STDIN_FILENO, piece, sizeof piece);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0 || out.size() >= octets_max) return out;
        out.append(piece, static_cast<std::size_t>(got));
    }
}

WireMessage split_message(std::string_view text) {
    // As it is where it has CRLF; a file with LF alone gets them, and no octet more.
    std::string wire;
    if (text.find("\r\n") != std::string_view::npos) {
        wire = text;
    } else {
        for (const char c : text) {
            if (c == '\n') wire += '\r';
            wire += c;
        }
    }
    WireMessage out;
    if (wire.starts_with("\r\n")) {
        out.body = wire.substr(2);
        return out;
    }
    const auto end = wire.find("\r\n\r\n");
    out.header_block = end == std::string::npos ? wire : wire.substr(0, end + 2);
    if (end != std::string::npos) out.body = wire.substr(end + 4);
    return out;
}

void print_json(const nlohmann::ordered_json& json) {
    fmt::print("{}\n", json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

int usage_error(std::string_view verb, std::string_view problem) {
    fmt::print(stderr, "postrider {}: {}; see postrider {} --help\n", verb, problem, verb);
    return exit_usage;
}

}  // namespace commands
