#include "config/master_cf.hpp"

#include "base/text.hpp"
#include "config/main_cf.hpp"
#include "config/values.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace config {
namespace {

constexpr std::pair<std::string_view, std::uint16_t> ports[] = {
    {"smtp", 25}, {"submission", 587}, {"submissions", 465}, {"smtps", 465},    {"ssmtp", 465},
    {"lmtp", 24}, {"qmtp", 209},       {"msa", 587},         {"smtp-alt", 2525}};

// White space separates; {…} stays whole.
std::vector<std::string> split_words(std::string_view text) {
    std::vector<std::string> out;
    std::string word;
    int depth = 0;
    for (const char c : text) {
        if (c == '{') ++depth;
        if (c == '}' && depth > 0) --depth;
        if (depth == 0 && base::is_space(c)) {
            if (!word.empty()) out.push_back(std::exchange(word, {}));
            continue;
        }
        word += c;
    }
    if (!word.empty()) out.push_back(std::move(word));
    return out;
}

void add_override(Service& service, std::string_view text, Diagnostics& diagnostics) {
    if (const auto inner = inside_braces(text)) text = *inner;
    const auto equals = text.find('=');
    if (equals == std::string_view::npos || equals == 0) {
        diagnostics.add(Severity::Error, service.file, service.line,
                        fmt::format("-o {}: not name=value", base::printable(text, 60)));
        return;
    }
    service.overrides.emplace_back(base::trim(text.substr(0, equals)), base::trim(text.substr(equals + 1)));
}

}  // namespace

std::vector<Service> parse_master_cf(std::string_view text, const std::string& file,
                                     Diagnostics& diagnostics) {
    std::vector<Service> out;
    constexpr std::string_view types[] = {"inet", "unix", "unix-dgram", "fifo", "pass"};
    for (const auto& [line, number] : logical_lines(text)) {
        const auto words = split_words(line);
        if (words.size() < 8) {
            diagnostics.add(Severity::Error, file, number,
                            fmt::format("'{}': a service has eight columns: service type private unpriv "
                                        "chroot wakeup maxproc command",
                                        base::printable(line, 60)));
            continue;
        }
        Service service{words[0], words[1], words[2], words[3], words[4], words[5],
                        words[6], words[7], {},       {},       file,     number};
        if (std::ranges::find(types, service.type) == std::end(types)) {
            diagnostics.add(
                Severity::Error, file, number,
                fmt::format("'{}' is not a service type; known are inet, unix, unix-dgram, fifo, pass",
                            service.type));
            continue;
        }
        for (std::size_t i = 8; i < words.size(); ++i) {
            if (words[i] == "-o" && i + 1 < words.size())
                add_override(service, words[++i], diagnostics);
            else if (words[i].starts_with("-o") && words[i].size() > 2 && service.command != "pipe")
                add_override(service, std::string_view(words[i]).substr(2), diagnostics);
            else
                service.arguments.push_back(words[i]);
        }
        if (service.type == "inet" && !parse_listen_address(service.name))
            diagnostics.add(
                Severity::Error, file, number,
                fmt::format("'{}' is not a port, a known service name or host:port", service.name));
        out.push_back(std::move(service));
    }
    return out;
}

std::optional<ListenAddress> parse_listen_address(std::string_view name) {
    ListenAddress out;
    const auto colon = name.rfind(':');
    std::string_view port = name;
    if (colon != std::string_view::npos) {
        std::string_view host = name.substr(0, colon);
        if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
        out.host = host;
        port = name.substr(colon + 1);
    }
    const auto* known = std::ranges::find_if(ports, [&](const auto& p) { return p.first == port; });
    if (known != std::end(ports)) {
        out.port = known->second;
        return out;
    }
    const auto number = base::parse_number(port, 65535);
    if (!number || *number == 0) return std::nullopt;
    out.port = static_cast<std::uint16_t>(*number);
    return out;
}

}  // namespace config
