#include "policy/sealing_key.hpp"

#include "base/result.hpp"

#include <fmt/format.h>

namespace policy {

std::expected<SigningKey, std::string> sealing_key(const SenderOptions& options, const std::string& domain,
                                                   env::FileSystem& files) {
    SenderOptions where = options;
    std::string owner = domain;
    if (!options.arc_seal_key.empty()) {
        // Read as dkim_signing_keys would be, with nothing beside it.
        where = {};
        where.signing_keys = {options.arc_seal_key};
        owner = options.arc_seal_key.substr(0, options.arc_seal_key.find(':'));
    }
    const auto keys = SigningKeys::make(where, files);
    if (!keys) return std::unexpected("arc_seal: " + keys.error());
    for (const auto* key : keys->keys_for("postmaster@" + owner))
        if (key->key.is_rsa()) return *key;
    return std::unexpected(fmt::format(
        "arc_seal: there is no RSA key for {} in dkim_signing_keys; set arc_seal_key = domain:selector:/path",
        owner));
}

}  // namespace policy
