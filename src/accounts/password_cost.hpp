// What a password hash would cost to compute, read from its own text before it is tried: a file that comes
// from elsewhere must not be able to take the machine's memory or its workers. Pure.
#pragma once

#include <cstdint>
#include <string_view>

namespace accounts {

constexpr std::uint64_t password_rounds_max = 1'000'000;       // PBKDF2, SHA-256-crypt, SHA-512-crypt
constexpr std::uint64_t password_kibibytes_max = 1024 * 1024;  // argon2, scrypt, yescrypt: 1 GiB
constexpr std::uint64_t password_passes_max = 64;              // argon2
constexpr std::uint64_t password_lanes_max = 64;               // argon2
constexpr std::uint64_t bcrypt_cost_max = 15;                  // about three seconds

/// "$argon2id$v=19$m=65536,t=3,p=1$…"
bool argon2_is_affordable(std::string_view hash);
/// What crypt(3) takes: "$6$rounds=…$…", "$2b$12$…", "$y$…", "$7$…" and the old ones without parameters.
bool crypt_is_affordable(std::string_view hash);

}  // namespace accounts
