// X.509 for ACME: the request (RFC 2986), the proof of TLS-ALPN-01 (RFC 8737 §3), a stand-in before the first
// certificate, and the judgement of what an authority sent. Pure; `now` is an argument.
#pragma once

#include "acme/key.hpp"
#include "env/clock.hpp"

#include <expected>
#include <string>
#include <vector>

namespace acme {

/// A host name an authority can prove: letters, digits, hyphens and dots, no wildcard, no address. In lower
/// case.
std::expected<std::string, std::string> parse_certificate_name(std::string_view text);

/// DER. The names are subject alternative names; the first is the common name where it is short enough.
std::string certificate_request(const Key& key, const std::vector<std::string>& names);
/// PEM. `digest`: SHA-256 of the key authorization.
std::string challenge_certificate(const Key& key, const std::string& name, std::string_view digest,
                                  env::WallTime now);
/// PEM, signed by itself, for `lifetime`.
std::string placeholder_certificate(const Key& key, const std::vector<std::string>& names, env::WallTime now,
                                    std::chrono::hours lifetime);

/// Is it a chain, for this key, for all of these names, and valid now? Error: a sentence.
std::expected<void, std::string> check_chain(const std::string& chain_pem, const Key& key,
                                             const std::vector<std::string>& names, env::WallTime now);

}  // namespace acme
