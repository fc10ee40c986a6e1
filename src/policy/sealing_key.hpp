// The key our ARC sets are sealed with (arc_seal_key), or DKIM's.
#pragma once

#include "policy/signing_keys.hpp"

#include <expected>
#include <string>

namespace policy {

/// arc_seal_key, else an RSA key of those that sign for `domain` (ARC knows no other algorithm that all
/// verifiers have). Error: what is wrong, or that there is none.
std::expected<SigningKey, std::string> sealing_key(const SenderOptions& options, const std::string& domain,
                                                   env::FileSystem& files);

}  // namespace policy
