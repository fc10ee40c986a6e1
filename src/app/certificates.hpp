// The certificate files of a site: what is wrong with them before it bites, and whether they have changed.
#pragma once

#include "app/site.hpp"
#include "env/clock.hpp"
#include "env/file_system.hpp"

#include <string>
#include <vector>

namespace app {

struct CertificateWarning {
    config::Origin origin;
    std::string text;
};

/// Expired, expiring within `soon`, not naming this host. Files that cannot be read are others' business.
std::vector<CertificateWarning> certificate_warnings(const Site& site, env::FileSystem& files,
                                                     env::WallTime now,
                                                     std::chrono::hours soon = std::chrono::hours(24 * 14));
/// Changes whenever one of the files does (time, size or inode).
std::string certificate_stamp(const Site& site, env::FileSystem& files);

}  // namespace app
