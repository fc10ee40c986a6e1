// Password hashes in Dovecot's form "{SCHEME}text", or bare as in /etc/shadow. New ones are argon2id. Slow on
// purpose: call from a worker.
#pragma once

#include "sasl/scram.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace accounts {

/// Schemes: ARGON2ID, ARGON2I, CRYPT and what crypt(3) knows (SHA512-CRYPT, SHA256-CRYPT, BLF-CRYPT,
/// MD5-CRYPT, yescrypt), PBKDF2, SSHA, SHA, SSHA256, SHA256, SSHA512, SHA512, SMD5, LDAP-MD5, PLAIN-MD5,
/// SCRAM-SHA-1, SCRAM-SHA-256, PLAIN. An unknown scheme, a malformed hash and one that costs too much
/// (password_cost.hpp) match nothing. The password matches as it is or in its prepared form (RFC 4013).
bool password_matches(std::string_view stored, std::string_view password);
/// Of {PLAIN}.
std::optional<std::string> plain_password(std::string_view stored);
bool is_known_scheme(std::string_view stored);
/// "{ARGON2ID}$argon2id$…"; `salt`: 16 fresh octets.
std::string hash_password(std::string_view password, std::string_view salt);
/// "4096,SALT,STORED,SERVER" in base64, as Dovecot keeps it; and back.
std::string verifier_text(const sasl::ScramVerifier& verifier);
std::optional<sasl::ScramVerifier> parse_verifier(std::string_view text, sasl::ScramHash hash);

}  // namespace accounts
