// The certificate files of a site: what is wrong with them before it bites, and whether they have changed.
#pragma once

#include "acme/certificate_folder.hpp"
#include "app/site.hpp"
#include "env/clock.hpp"
#include "env/file_system.hpp"

#include <optional>
#include <string>
#include <vector>

namespace app {

struct CertificateWarning {
    config::Origin origin;
    std::string text;
};

/// Expired, expiring within `soon` (ACME's, which renew themselves: in the last quarter of their life), not
/// naming whom they should. Files that cannot be read are others' business.
std::vector<CertificateWarning> certificate_warnings(const Site& site, env::FileSystem& files,
                                                     env::WallTime now,
                                                     std::chrono::hours soon = std::chrono::hours(24 * 14));
/// Changes whenever one of the files does (time, size or inode).
std::string certificate_stamp(const Site& site, env::FileSystem& files);

/// One file, as `postrider certificates` shows it.
struct ListedCertificate {
    std::string parameter, path;
    std::vector<std::string> names;
    std::uint64_t not_before = 0, not_after = 0;  // Unix time; 0: there is no certificate
    std::string problem;                          // why there is none
    std::optional<acme::Attempts> attempts;       // of those from ACME
};
std::vector<ListedCertificate> list_certificates(const Site& site, env::FileSystem& files);

}  // namespace app
