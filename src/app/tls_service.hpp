// The TLS side of one listening service: which certificates it shows (files, by name, or from ACME), which
// protocols and ciphers it takes, whether clients must show certificates.
#pragma once

#include "acme/options.hpp"
#include "app/front.hpp"
#include "app/options.hpp"
#include "smtp/server_session.hpp"

#include <memory>
#include <vector>

namespace app {

struct TlsChoice {
    std::shared_ptr<const env::TlsServerContext> context;
    smtp::TlsOffer offer = smtp::TlsOffer::No;
};

/// Error: what the administrator must mend.
std::expected<TlsChoice, std::string> make_tls(const TlsServerOptions& options,
                                               const config::Configuration& configuration,
                                               LoopEnvironment environment);

/// One line of tls_server_sni_maps.
struct SniFiles {
    std::string name;                // in lower case; ".domain" for what is below
    std::vector<std::string> files;  // in order
};
/// All that tls_server_sni_maps names. Error: a table that cannot be read, or of a type without a source
/// text.
std::expected<std::vector<SniFiles>, std::string> read_sni_maps(const std::string& specs,
                                                                env::FileSystem& files);

/// Does the service take its certificates from ACME, because no file is configured?
bool uses_acme(const TlsServerOptions& options);

}  // namespace app
