// Certificates and their keys out of PEM files, as servers and clients are told of them in main.cf. Errors
// are for the administrator, with parameter and path.
#pragma once

#include "env/file_system.hpp"
#include "env/tls.hpp"

#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace env {

using Certificates = std::vector<TlsCertificate>;

/// Of files that hold keys and chains one behind the other (smtpd_tls_chain_files): a key before its chain,
/// perhaps in the file before; where there is but one key, it may stand anywhere.
std::expected<Certificates, std::string> read_chain(FileSystem& files, std::string_view parameter,
                                                    const std::vector<std::string>& paths);

struct PairOfFiles {
    std::string_view certificate_parameter;
    const std::string& certificate;
    std::string_view key_parameter;
    const std::string& key;
};
/// Of a certificate's file and its key's; empty or "none": nothing.
std::expected<Certificates, std::string> read_pair(FileSystem& files, const PairOfFiles& paths);

}  // namespace env
