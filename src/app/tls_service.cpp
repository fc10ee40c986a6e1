#include "app/tls_service.hpp"

#include "acme/certificate.hpp"
#include "acme/certificate_folder.hpp"
#include "base/result.hpp"
#include "base/text.hpp"
#include "env/certificates.hpp"
#include "env/pem.hpp"
#include "tables/factory.hpp"

#include <fmt/format.h>

namespace app {
namespace {

constexpr std::uint64_t sni_table_octets_max = 64 << 20;
constexpr std::size_t sni_names_max = 100'000;
constexpr auto placeholder_lifetime = std::chrono::hours(24 * 90);

/// The first certificate's names are the service's own, the others are found by the name a client asks for.
/// Before an authority has answered for the first time one of our own stands in, so that the server can
/// start.
std::expected<void, std::string> add_acme(const config::Configuration& configuration,
                                          LoopEnvironment environment, env::TlsServerSettings& settings) {
    config::Diagnostics diagnostics;
    const auto options = config::bind<acme::Options>(configuration, diagnostics);
    TRY_ASSIGN(const auto all, acme::wanted_certificates(options));
    acme::CertificateFolder folder(environment.files, options.folder);
    for (const auto& wanted : all) {
        TRY_ASSIGN(auto pem, folder.read(wanted));
        env::TlsCertificate certificate;
        if (pem) {
            certificate = {*pem, *pem};
        } else {
            const acme::Key key = acme::Key::generate(acme::KeyType::Ecdsa);
            const auto now = environment.loop.clock().wall();
            certificate = {acme::placeholder_certificate(key, wanted.names, now, placeholder_lifetime),
                           key.pem()};
            // One stand-in serves for every kind of key.
            if (wanted.key_type != all.front().key_type) continue;
        }
        if (wanted.names == all.front().names) {
            settings.certificates.push_back(std::move(certificate));
            continue;
        }
        for (const auto& name : wanted.names) settings.sni.emplace_back(name, certificate);
    }
    return {};
}

std::expected<void, std::string> add_certificates(const TlsServerOptions& options,
                                                  const config::Configuration& configuration,
                                                  LoopEnvironment environment,
                                                  env::TlsServerSettings& settings) {
    if (!options.chain_files.empty()) {
        TRY_ASSIGN(settings.certificates,
                   env::read_chain(environment.files, "smtpd_tls_chain_files", options.chain_files));
    } else if (uses_acme(options)) {
        TRY(add_acme(configuration, environment, settings));
    } else {
        TRY_ASSIGN(settings.certificates,
                   env::read_pair(environment.files, {"smtpd_tls_cert_file", options.certificate_file,
                                                      "smtpd_tls_key_file", options.key_file}));
        TRY_ASSIGN(auto second,
                   env::read_pair(environment.files, {"smtpd_tls_eccert_file", options.ec_certificate_file,
                                                      "smtpd_tls_eckey_file", options.ec_key_file}));
        for (auto& certificate : second) settings.certificates.push_back(std::move(certificate));
    }
    TRY_ASSIGN(const auto names, read_sni_maps(options.sni_maps, environment.files));
    for (const auto& [name, paths] : names) {
        auto found = env::read_chain(environment.files, "tls_server_sni_maps", paths);
        if (!found) return std::unexpected(fmt::format("{} (for {})", found.error(), name));
        for (auto& certificate : *found) settings.sni.emplace_back(name, std::move(certificate));
    }
    return {};
}

std::expected<void, std::string> add_client_certificates(const TlsServerOptions& options, bool mandatory,
                                                         env::FileSystem& files,
                                                         env::TlsServerSettings& settings) {
    using Client = env::TlsServerSettings::ClientCertificate;
    // Opportunistic TLS cannot require one: it only asks (postconf(5), smtpd_tls_req_ccert).
    if (options.require_certificate)
        settings.client_certificate = mandatory ? Client::Require : Client::Ask;
    else if (options.ask_certificate)
        settings.client_certificate = Client::Ask;
    if (settings.client_certificate == Client::No) return {};
    settings.fingerprint_digest = options.fingerprint_digest;
    settings.client_chain_depth_max = static_cast<int>(options.verify_depth);
    settings.ca_path = options.ca_path;
    if (!options.ca_file.empty()) {
        TRY_ASSIGN(settings.ca_pem, env::read_pem(files, "smtpd_tls_CAfile", options.ca_file));
    }
    if (settings.client_certificate == Client::Require && settings.ca_pem.empty() && settings.ca_path.empty())
        return std::unexpected(
            "smtpd_tls_req_ccert = yes: say whose certificates are good with smtpd_tls_CAfile or "
            "smtpd_tls_CApath");
    return {};
}

}  // namespace

bool uses_acme(const TlsServerOptions& options) {
    return options.chain_files.empty() && options.certificate_file.empty() &&
           options.ec_certificate_file.empty();
}

std::expected<std::vector<SniFiles>, std::string> read_sni_maps(const std::string& specs,
                                                                env::FileSystem& files) {
    std::vector<SniFiles> out;
    for (const auto& spec : config::split_list(specs)) {
        const auto colon = spec.find(':');
        const std::string type = base::lower(spec.substr(0, colon));
        constexpr std::string_view readable[] = {"hash", "btree", "lmdb", "cdb", "dbm", "texthash"};
        if (colon == std::string::npos || std::ranges::find(readable, type) == std::end(readable))
            return std::unexpected(
                fmt::format("tls_server_sni_maps: {}: name a table whose source text can be read, such as "
                            "hash:/etc/postfix/sni",
                            spec));
        const std::string path = spec.substr(colon + 1);
        const auto text = files.read(path, sni_table_octets_max);
        if (!text)
            return std::unexpected(
                fmt::format("tls_server_sni_maps: {}: {}", path, env::to_text(text.error())));
        const auto entries = tables::parse_source(*text, tables::SourceFormat::Map);
        if (!entries)
            return std::unexpected(fmt::format("tls_server_sni_maps: {}: {}", path, entries.error()));
        for (const auto& [name, value] : *entries) {
            if (out.size() >= sni_names_max)
                return std::unexpected(fmt::format("tls_server_sni_maps: more than {} names", sni_names_max));
            out.push_back({base::lower(name), config::split_list(value)});
        }
    }
    return out;
}

std::expected<TlsChoice, std::string> make_tls(const TlsServerOptions& options,
                                               const config::Configuration& configuration,
                                               LoopEnvironment environment) {
    TlsChoice out;
    TlsLevel level = options.level;
    if (level == TlsLevel::Unset)
        level = options.enforce_tls ? TlsLevel::Encrypt : options.use_tls ? TlsLevel::May : TlsLevel::None;
    if (level == TlsLevel::None && !options.wrapper_mode) return out;
    const bool mandatory = level == TlsLevel::Encrypt || options.wrapper_mode;
    env::TlsServerSettings settings;
    settings.protocols.protocols = mandatory ? options.mandatory_protocols : options.protocols;
    settings.protocols.grade = mandatory ? options.mandatory_ciphers : options.ciphers;
    settings.protocols.cipher_list =
        base::iequals(settings.protocols.grade, "high") ? options.high_list : options.medium_list;
    settings.protocols.exclude_ciphers =
        options.exclude_ciphers + (mandatory ? " " + options.mandatory_exclude_ciphers : "");
    settings.prefer_server_ciphers = options.prefer_server_ciphers;
    settings.session_lifetime = options.session_lifetime;
    settings.alpn = options.alpn;
    TRY(add_client_certificates(options, mandatory, environment.files, settings));
    TRY(add_certificates(options, configuration, environment, settings));
    if (settings.certificates.empty()) {
        if (!mandatory) return out;  // opportunistic TLS without a certificate is not offered
        return std::unexpected(
            "TLS is required and there is no certificate: set smtpd_tls_cert_file and smtpd_tls_key_file, or "
            "acme_domains");
    }
    auto context = environment.tls.make_server_context(settings);
    if (!context) return std::unexpected("smtpd_tls: " + context.error());
    out.context = std::move(*context);
    out.offer = mandatory ? smtp::TlsOffer::Required : smtp::TlsOffer::Offered;
    return out;
}

}  // namespace app
