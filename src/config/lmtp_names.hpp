// The parameters of an lmtp service: lmtp_… is to it what smtp_… is to an smtp service.
#pragma once

#include <string>
#include <string_view>

namespace config {

/// "lmtp_tls_CAfile" → "smtp_tls_CAfile"; LHLO is LMTP's HELO: "lmtp_lhlo_name" → "smtp_helo_name",
/// "lmtp_discard_lhlo_keywords" → "smtp_discard_ehlo_keywords".
inline std::string smtp_name_of(std::string_view lmtp_name) {
    constexpr std::string_view prefix = "lmtp_", lhlo = "lmtp_lhlo_", discard = "lmtp_discard_lhlo_";
    if (lmtp_name.starts_with(lhlo)) return "smtp_helo_" + std::string(lmtp_name.substr(lhlo.size()));
    if (lmtp_name.starts_with(discard))
        return "smtp_discard_ehlo_" + std::string(lmtp_name.substr(discard.size()));
    return "smtp_" + std::string(lmtp_name.substr(prefix.size()));
}

}  // namespace config
