// SCRAM (RFC 5802, SHA-256: RFC 7677): keys, proofs and the text of its messages, for both sides. Pure.
// Passwords are prepared (RFC 4013, prepare.hpp) before keys are made of them.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace sasl {

enum class ScramHash { Sha1, Sha256 };

/// What a server keeps in place of the password. Octets, not base64.
struct ScramVerifier {
    ScramHash hash = ScramHash::Sha256;
    std::uint32_t iterations = 4096;
    std::string salt, stored_key, server_key;
};

/// How a verifier looks from outside: what must be the same for a user who is not there.
struct ScramShape {
    std::uint32_t iterations = 4096;
    std::size_t salt_octets = 16;
};

constexpr std::uint32_t scram_iterations_new = 32768;  // of verifiers made here (RFC 7677 §4: 4096 or more)
constexpr std::uint32_t scram_iterations_min = 1000;   // of what a server may ask of us
constexpr std::uint32_t scram_iterations_max = 1'000'000;  // a hostile server must not keep us busy

std::string hmac(ScramHash hash, std::string_view key, std::string_view text);
std::string hmac_md5(std::string_view key, std::string_view text);
ScramVerifier make_verifier(ScramHash hash, std::string_view password, std::string_view salt,
                            std::uint32_t iterations);
/// "a=b,c=d" attributes of a SCRAM message; nullopt: not there.
std::optional<std::string_view> attribute(std::string_view message, char name);
/// "," and "=" as "=2C" and "=3D" and back; nullopt: malformed.
std::string escape_name(std::string_view name);
std::optional<std::string> unescape_name(std::string_view name);

/// gs2-header (RFC 5802 §7): what a client says about channel bindings, and whom it wants to be.
struct Gs2Header {
    enum class Flag { None, NotOffered, Bound } flag = Flag::None;  // n, y, p=TYPE
    std::string binding_type;                                       // of Bound
    std::string authorize_as;
    std::string text;   // the header itself
    std::string after;  // the message behind it
};
/// Of a client's first message (also OAUTHBEARER's, RFC 7628 §3.1). nullopt: malformed.
std::optional<Gs2Header> parse_gs2_header(std::string_view message);

/// One side's view of an exchange: the proof over the messages said so far.
struct ScramProof {
    std::string client_proof;      // octets
    std::string server_signature;  // octets
};
/// The client's, from the password.
ScramProof client_proof(ScramHash hash, std::string_view password, std::string_view salt,
                        std::uint32_t iterations, std::string_view auth_message);
/// The server's check of the client's proof; compares in constant time.
bool proof_matches(const ScramVerifier& verifier, std::string_view proof, std::string_view auth_message);
std::string server_signature(const ScramVerifier& verifier, std::string_view auth_message);
/// Equal, in a time that does not depend on where they differ.
bool equal_in_constant_time(std::string_view a, std::string_view b);

}  // namespace sasl
