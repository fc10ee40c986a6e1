// Certificates and keys as files: read once, when a configuration is put to use.
#pragma once

#include "env/file_system.hpp"

#include <expected>
#include <fmt/format.h>
#include <string>
#include <string_view>

namespace env {

/// Bundles of all authorities of a machine are some 250 KB.
constexpr std::uint64_t pem_octets_max = 4 << 20;

/// The text of the file that `parameter` names. Error: for the administrator, with parameter and path.
inline std::expected<std::string, std::string> read_pem(FileSystem& files, std::string_view parameter,
                                                        const std::string& path) {
    auto text = files.read(path, pem_octets_max);
    if (!text) return std::unexpected(fmt::format("{}: {}: {}", parameter, path, to_text(text.error())));
    return std::move(*text);
}

}  // namespace env
