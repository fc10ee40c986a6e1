#include "commands/judge_world.hpp"

#include "app/options.hpp"
#include "base/text.hpp"
#include "platform/system.hpp"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

namespace commands {

std::expected<NamedOptions, std::string> NamedOptions::parse(const std::vector<std::string>& words,
                                                             const std::vector<std::string_view>& names,
                                                             const std::vector<std::string_view>& flags) {
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
        if (std::ranges::find(flags, name) != flags.end()) {
            out.values_[name] = "yes";
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
    platform::DnsSettings settings;
    if (!resolver.empty()) settings.servers.push_back(resolver);
    return make(std::move(settings));
}

std::expected<std::unique_ptr<JudgeWorld>, std::string> JudgeWorld::make(platform::DnsSettings settings) {
    auto out = std::make_unique<JudgeWorld>();
    auto service = platform::UnboundService::start(settings);
    if (!service) return std::unexpected(service.error());
    out->service_ = std::move(*service);
    out->resolver_ = std::make_unique<platform::UnboundResolver>(*out->service_, out->loop);
    return out;
}

std::expected<std::unique_ptr<JudgeWorld>, std::string> make_judge_world(const NamedOptions& options,
                                                                         const app::Site& site) {
    if (options.has("resolver")) return JudgeWorld::make(options.get("resolver"));
    config::Diagnostics ignored;
    const auto dns = config::bind<app::DnsOptions>(*site.configuration, ignored);
    return JudgeWorld::make(platform::DnsSettings{dns.servers, dns.trust_anchor, dns.strict, dns.timeout});
}

std::expected<std::string, std::string> read_standard_input(std::size_t octets_max) {
    std::string out;
    char piece[64 * 1024];
    for (;;) {
        const ssize_t got = ::read(STDIN_FILENO, piece, sizeof piece);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return std::unexpected("standard input cannot be read");
        if (got == 0) return out;
        out.append(piece, static_cast<std::size_t>(got));
        if (out.size() > octets_max)
            return std::unexpected(fmt::format("more than {} octets on standard input", octets_max));
    }
}

WireMessage split_message(std::string_view text) {
    // What its first line shows: with CRLF it is as on the wire, and stays as it is; a file with LF gets CRLF
    // for each bare LF, and no octet more.
    std::string wire;
    const auto first = text.find('\n');
    if (first == std::string_view::npos || (first > 0 && text[first - 1] == '\r')) {
        wire = text;
    } else {
        wire.reserve(text.size() + text.size() / 16);
        for (std::size_t i = 0; i < text.size(); ++i) {
            if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r')) wire += '\r';
            wire += text[i];
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

std::expected<dkim::PrivateKey, std::string> read_private_key(const std::string& path) {
    constexpr std::uint64_t key_octets_max = 1 << 20;
    platform::PosixFileSystem files;
    const auto text = files.read(path, key_octets_max);
    if (!text) return std::unexpected(fmt::format("{}: {}", path, env::to_text(text.error())));
    auto key = dkim::PrivateKey::parse(*text);
    if (!key) return std::unexpected(fmt::format("{}: {}", path, key.error()));
    return std::move(*key);
}

std::vector<std::string> name_list(const std::string& text) {
    std::vector<std::string> out;
    for (const auto name : base::split_any(text, ": ,")) out.emplace_back(name);
    return out;
}

std::expected<std::uint64_t, std::string> time_of(const NamedOptions& options) {
    if (!options.has("now")) return env::unix_time(platform::SystemClock().wall());
    const auto number = base::parse_number(options.get("now"), 1ULL << 40);
    if (!number) return std::unexpected("--now is not a Unix time");
    return *number;
}

int usage_error(std::string_view verb, std::string_view problem) {
    fmt::print(stderr, "postrider {}: {}; see postrider {} --help\n", verb, problem, verb);
    return exit_usage;
}

}  // namespace commands
