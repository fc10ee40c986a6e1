#include "app/listeners.hpp"

#include "base/text.hpp"
#include "platform/asio_network.hpp"

#include <cstdio>
#include <fmt/format.h>

namespace app {
namespace {

std::vector<std::string> listen_hosts(const ProgramOptions& options, const std::string& host) {
    std::vector<std::string> out;
    const bool v4 = options.protocols != IpProtocols::V6, v6 = options.protocols != IpProtocols::V4;
    std::vector<std::string> names =
        host.empty() ? config::split_list(options.inet_interfaces) : std::vector<std::string>{host};
    for (const auto& name : names) {
        const bool all = base::iequals(name, "all"),
                   loopback = base::iequals(name, "loopback-only") || base::iequals(name, "localhost");
        if (all || loopback) {
            if (v4) out.emplace_back(all ? "0.0.0.0" : "127.0.0.1");
            if (v6) out.emplace_back(all ? "::" : "::1");
        } else {
            std::string_view bare = name;
            if (bare.starts_with('[') && bare.ends_with(']')) bare = bare.substr(1, bare.size() - 2);
            out.emplace_back(bare);
        }
    }
    return out;
}

}  // namespace

std::expected<std::vector<BoundListener>, std::string> bind_listeners(const Site& site,
                                                                      const ProgramOptions& options,
                                                                      std::size_t loops) {
    std::vector<BoundListener> out;
    for (const auto& service : site.services) {
        if (service.type != "inet" || service.command != "smtpd") continue;
        const auto at = config::parse_listen_address(service.name);
        if (!at) continue;  // reported by the check
        for (const auto& host : listen_hosts(options, at->host)) {
            const auto address = env::IpAddress::parse(host);
            if (!address)
                return std::unexpected(
                    fmt::format("{}:{}: '{}' is not an address", service.file, service.line, host));
            for (std::size_t i = 0; i < loops; ++i) {
                const env::Endpoint endpoint{*address, at->port, {}};
                auto descriptor = platform::open_listener(endpoint);
                if (!descriptor) {
                    // A machine without IPv6 listens on IPv4 alone.
                    if (!address->is_v4() && at->host.empty() &&
                        descriptor.error() != env::IoError::AddressInUse)
                        break;
                    const bool denied = descriptor.error() == env::IoError::PermissionDenied;
                    return std::unexpected(fmt::format("cannot listen on {}: {}{}", endpoint.text(),
                                                       env::to_text(descriptor.error()),
                                                       denied ? "; ports below 1024 need root" : ""));
                }
                out.push_back({service.name, i, *descriptor});
            }
        }
    }
    if (out.empty())
        return std::unexpected(fmt::format(
            "{}/master.cf: no service of type inet runs smtpd: nothing to listen on", site.directory));
    return out;
}

ChallengeListeners bind_challenges(const Site& site, const ProgramOptions& options) {
    ChallengeListeners out;
    config::Diagnostics ignored;
    const auto acme_options = config::bind<acme::Options>(*site.configuration, ignored);
    out.type = acme_options.challenge;
    const bool http = out.type == acme::ChallengeType::Http01;
    if (acme_options.domains.empty() || (http && !acme_options.webroot.empty())) return out;
    const char* name = http ? "acme_http_listen" : "acme_tls_listen";
    const std::string& text = http ? acme_options.http_listen : acme_options.tls_listen;
    const auto at = config::parse_listen_address(text);
    if (!at) {
        std::fprintf(stderr, "postrider: warning: %s: '%s' is no port or address:port\n", name, text.c_str());
        return out;
    }
    for (const auto& host : listen_hosts(options, at->host)) {
        const auto address = env::IpAddress::parse(host);
        const env::Endpoint endpoint{address.value_or(env::IpAddress{}), at->port, {}};
        auto descriptor = address ? platform::open_listener(endpoint) : std::unexpected(env::IoError::Other);
        if (descriptor)
            out.descriptors.push_back(*descriptor);
        else if (!address || address->is_v4())
            std::fprintf(stderr, "postrider: warning: %s: cannot listen on %s port %u: %s\n", name,
                         host.c_str(), static_cast<unsigned>(at->port),
                         std::string(env::to_text(descriptor.error())).c_str());
    }
    return out;
}

}  // namespace app
