#include "app/certificates.hpp"

#include "app/tls_service.hpp"
#include "base/text.hpp"
#include "platform/openssl_tls.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <set>

namespace app {
namespace {

constexpr std::uint64_t pem_octets_max = 1 << 20;

/// What a file is for decides which names it must hold.
enum class FileUse { Certificate, KeyOnly, ByName, Acme };

struct NamedFile {
    std::string parameter, path;
    config::Origin origin;
    FileUse use = FileUse::Certificate;
    std::string name;                    // ByName: who asks for it
    std::optional<acme::Wanted> wanted;  // Acme
    bool operator<(const NamedFile& other) const { return path < other.path; }
};
using NamedFiles = std::set<NamedFile>;

void take_acme(const config::Configuration& configuration, env::FileSystem& files, NamedFiles& out) {
    config::Diagnostics ignored;
    const auto options = config::bind<acme::Options>(configuration, ignored);
    const auto all = acme::wanted_certificates(options);
    if (!all) return;  // said by the check
    const acme::CertificateFolder folder(files, options.folder);
    for (const auto& wanted : *all)
        out.insert({"acme_domains", folder.certificate_path(wanted), configuration.origin("acme_domains"),
                    FileUse::Acme, "", wanted});
}

NamedFiles tls_files(const Site& site, env::FileSystem& files) {
    NamedFiles out;
    const auto take = [&](const config::Configuration& configuration) {
        for (const auto* name : {"smtpd_tls_cert_file", "smtpd_tls_eccert_file", "smtpd_tls_chain_files",
                                 "smtpd_tls_key_file", "smtpd_tls_eckey_file"}) {
            const bool key = std::string_view(name).ends_with("key_file");
            for (const auto& path : config::split_list(configuration.get(name)))
                if (path != "none")
                    out.insert({name, path, configuration.origin(name),
                                key ? FileUse::KeyOnly : FileUse::Certificate, "", std::nullopt});
        }
        const auto by_name = read_sni_maps(configuration.get("tls_server_sni_maps"), files);
        if (!by_name) return;  // said by the check
        for (const auto& [name, paths] : *by_name)
            for (const auto& path : paths)
                out.insert({"tls_server_sni_maps", path, configuration.origin("tls_server_sni_maps"),
                            FileUse::ByName, name, std::nullopt});
    };
    take(*site.configuration);
    for (const auto& service : site.services)
        if (service.type == "inet") take(site.configuration->with_overrides(service));
    take_acme(*site.configuration, files, out);
    return out;
}

bool holds_certificate(const std::string& pem) {
    return pem.find("-----BEGIN CERTIFICATE-----") != std::string::npos;
}

std::string names_text(const std::vector<std::string>& names) {
    return names.empty() ? "nobody" : fmt::format("{}", fmt::join(names, ", "));
}

bool names_host(const std::vector<std::string>& names, const std::string& host) {
    return std::ranges::any_of(names, [&](const std::string& name) {
        if (base::iequals(name, host)) return true;
        return name.starts_with("*.") && host.find('.') != std::string::npos &&
               base::iequals(std::string_view(name).substr(1), std::string_view(host).substr(host.find('.')));
    });
}

}  // namespace

// What renews itself may live for days only, and is late when a quarter of that is left.
static env::Duration warn_before(const NamedFile& file, const platform::CertificateFacts& facts,
                                 std::chrono::hours soon) {
    if (!file.wanted) return soon;
    return std::min<env::Duration>(soon, (facts.not_after - facts.not_before) / 4);
}

static std::vector<std::string> judge_certificate(const NamedFile& file,
                                                  const platform::CertificateFacts& facts,
                                                  const std::string& host, env::WallTime now,
                                                  std::chrono::hours soon) {
    std::vector<std::string> out;
    const auto hours = std::chrono::duration_cast<std::chrono::hours>(facts.not_after - now).count();
    if (facts.not_after <= now)
        out.push_back(fmt::format("the certificate expired {} days ago", -hours / 24));
    else if (facts.not_after - now < warn_before(file, facts, soon))
        out.push_back(fmt::format("the certificate expires in {} days", hours / 24));
    // A client that gets an expired chain trusts the certificate as little as an expired one.
    if (!facts.other_name.empty() && facts.other_not_after < facts.not_after) {
        const auto left = std::chrono::duration_cast<std::chrono::hours>(facts.other_not_after - now).count();
        if (facts.other_not_after <= now)
            out.push_back(fmt::format("the certificate {} behind it, in its chain, expired {} days ago",
                                      facts.other_name, -left / 24));
        else if (facts.other_not_after - now < warn_before(file, facts, soon))
            out.push_back(fmt::format("the certificate {} behind it, in its chain, expires in {} days",
                                      facts.other_name, left / 24));
    }
    if (facts.not_before > now) out.emplace_back("the certificate is not valid yet; is the clock right?");
    std::vector<std::string> wanted{host};
    if (file.use == FileUse::ByName)
        wanted = {file.name.starts_with('.') ? "any-name" + file.name : file.name};
    if (file.wanted) wanted = file.wanted->names;
    for (const auto& name : wanted)
        if (!names_host(facts.names, name))
            out.push_back(
                fmt::format("the certificate does not name {} (it names {})", name, names_text(facts.names)));
    return out;
}

std::vector<CertificateWarning> certificate_warnings(const Site& site, env::FileSystem& files,
                                                     env::WallTime now, std::chrono::hours soon) {
    std::vector<CertificateWarning> out;
    const std::string host = site.configuration->get("myhostname");
    for (const auto& file : tls_files(site, files)) {
        if (file.use == FileUse::KeyOnly) continue;
        const auto pem = files.read(file.path, pem_octets_max);
        if (!pem) continue;
        // A chain may go over several files, the key in the first.
        if (!holds_certificate(*pem) && pem->find("PRIVATE KEY-----") != std::string::npos) continue;
        const auto facts = platform::certificate_facts(*pem);
        const auto say = [&](const std::string& text) {
            out.push_back({file.origin, fmt::format("{}: {}: {}", file.parameter, file.path, text)});
        };
        if (!facts) {
            say(facts.error());
            continue;
        }
        for (const auto& text : judge_certificate(file, *facts, host, now, soon)) say(text);
    }
    return out;
}

std::string certificate_stamp(const Site& site, env::FileSystem& files) {
    std::string out;
    for (const auto& file : tls_files(site, files)) {
        const auto stat = files.stat(file.path);
        out += stat ? fmt::format("{} {} {} {}\n", file.path, stat->modified.time_since_epoch().count(),
                                  stat->size, stat->inode)
                    : file.path + "\n";
    }
    return out;
}

std::vector<ListedCertificate> list_certificates(const Site& site, env::FileSystem& files) {
    std::vector<ListedCertificate> out;
    config::Diagnostics ignored;
    acme::CertificateFolder folder(files, config::bind<acme::Options>(*site.configuration, ignored).folder);
    for (const auto& file : tls_files(site, files)) {
        if (file.use == FileUse::KeyOnly) continue;
        ListedCertificate one;
        one.parameter = file.parameter;
        one.path = file.path;
        if (file.wanted) {
            one.names = file.wanted->names;
            one.attempts = folder.attempts(*file.wanted);
        }
        const auto pem = files.read(file.path, pem_octets_max);
        if (!pem)
            one.problem = pem.error() == env::FileError::NotFound && file.wanted
                              ? "not obtained yet; a self-signed certificate stands in"
                              : std::string(env::to_text(pem.error()));
        else if (const auto facts = platform::certificate_facts(*pem)) {
            one.names = facts->names;
            one.not_before = env::unix_time(facts->not_before);
            one.not_after = env::unix_time(facts->not_after);
        } else if (holds_certificate(*pem)) {
            one.problem = facts.error();
        } else {
            continue;  // the key of a chain that goes over several files
        }
        out.push_back(std::move(one));
    }
    return out;
}

}  // namespace app
