#include "app/certificates.hpp"

#include "base/text.hpp"
#include "platform/openssl_tls.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <set>

namespace app {
namespace {

constexpr std::uint64_t pem_octets_max = 1 << 20;

struct NamedFile {
    std::string parameter, path;
    config::Origin origin;
    bool certificate = false;
    bool operator<(const NamedFile& other) const { return path < other.path; }
};

std::set<NamedFile> tls_files(const Site& site) {
    std::set<NamedFile> out;
    const auto take = [&](const config::Configuration& configuration) {
        for (const auto* name : {"smtpd_tls_cert_file", "smtpd_tls_key_file", "smtpd_tls_chain_files"}) {
            for (const auto& path : config::split_list(configuration.get(name)))
                if (path != "none")
                    out.insert({name, path, configuration.origin(name),
                                std::string_view(name) != "smtpd_tls_key_file"});
        }
    };
    take(*site.configuration);
    for (const auto& service : site.services)
        if (service.type == "inet") take(site.configuration->with_overrides(service));
    return out;
}

bool names_host(const std::vector<std::string>& names, const std::string& host) {
    return std::ranges::any_of(names, [&](const std::string& name) {
        if (base::iequals(name, host)) return true;
        return name.starts_with("*.") && host.find('.') != std::string::npos &&
               base::iequals(std::string_view(name).substr(1), std::string_view(host).substr(host.find('.')));
    });
}

}  // namespace

std::vector<CertificateWarning> certificate_warnings(const Site& site, env::FileSystem& files,
                                                     env::WallTime now, std::chrono::hours soon) {
    std::vector<CertificateWarning> out;
    const std::string host = site.configuration->get("myhostname");
    for (const auto& file : tls_files(site)) {
        if (!file.certificate) continue;
        const auto pem = files.read(file.path, pem_octets_max);
        if (!pem) continue;
        const auto facts = platform::certificate_facts(*pem);
        const auto say = [&](std::string text) {
            out.push_back({file.origin, fmt::format("{}: {}: {}", file.parameter, file.path, text)});
        };
        if (!facts) {
            say(facts.error());
            continue;
        }
        const auto days = std::chrono::duration_cast<std::chrono::hours>(facts->not_after - now).count() / 24;
        if (facts->not_after <= now)
            say(fmt::format("the certificate expired {} days ago", -days));
        else if (facts->not_after - now < soon)
            say(fmt::format("the certificate expires in {} days", days));
        if (facts->not_before > now) say("the certificate is not valid yet; is the clock right?");
        if (!names_host(facts->names, host))
            say(fmt::format(
                "the certificate does not name {} (it names {})", host,
                facts->names.empty() ? "nobody" : fmt::format("{}", fmt::join(facts->names, ", "))));
    }
    return out;
}

std::string certificate_stamp(const Site& site, env::FileSystem& files) {
    std::string out;
    for (const auto& file : tls_files(site)) {
        const auto stat = files.stat(file.path);
        out += stat ? fmt::format("{} {} {} {}\n", file.path, stat->modified.time_since_epoch().count(),
                                  stat->size, stat->inode)
                    : file.path + "\n";
    }
    return out;
}

}  // namespace app
