// Verifies the DKIM signatures of one message (RFC 6376 §6) while its body streams by. One Verifier for one
// message; not shared. Key look-ups and signatures are bounded, whatever the message claims: where more stand
// there than are verified, those of the author's domain and its relatives come first, then the uppermost.
#pragma once

#include "dkim/signature.hpp"
#include "env/resolver.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace dkim {

/// RFC 8601 §2.7.1.
enum class Result { None, Pass, Fail, Policy, Neutral, TempError, PermError };
std::string_view to_text(Result result);

struct VerifyOptions {
    std::size_t signatures_max = 10;        // verified; the rest is noted as policy
    std::size_t signatures_read_max = 100;  // looked at, to choose among them
    unsigned rsa_bits_min = 1024;           // RFC 8301 §3.2
    /// What an l= that leaves octets unsigned means: anybody may have appended them (§8.2).
    enum class PartialBody { Policy, Pass } partial_body = PartialBody::Policy;
    SignatureLimits limits;
};

struct SignatureResult {
    Result result = Result::None;
    std::string reason;  // for people; empty on a plain pass, a note on one that is not
    std::string domain;  // d=, empty when the field could not be read
    std::string selector;
    std::string algorithm;        // "rsa-sha256"
    std::string identity;         // i=
    std::string signature_start;  // the first 8 characters of b= (RFC 6008)
    bool testing = false;         // t=y in the key record
    unsigned key_bits = 0;
    std::uint64_t unsigned_octets = 0;  // of the body, because of l=
};

class Verifier {
 public:
    /// `header_block`: the fields with CRLF line ends, without the empty line.
    Verifier(std::string header_block, VerifyOptions options);
    ~Verifier();
    Verifier(Verifier&&) noexcept;
    bool has_signatures() const;
    /// The next octets of the body.
    void body(std::string_view octets);
    /// Once, after the body. One result for each signature, top to bottom, without most of those that are too
    /// many; `now`: Unix time.
    env::Task<std::vector<SignatureResult>> finish(env::Resolver& resolver, std::uint64_t now);

 private:
    struct State;
    std::unique_ptr<State> state_;
};

/// What is hashed for b= (§3.7): the fields `names` picks (from the bottom, absent ones skipped), then
/// `signature_field` (b= emptied by the caller) without its final CRLF. `own_raw`: where that field stands
/// among `fields`, so that h= cannot pick it (§3.5, "h="); empty: it stands not there yet.
std::string signed_header_data(const std::vector<Field>& fields, const std::vector<std::string>& names,
                               std::string_view signature_field, Canonicalization form,
                               std::string_view own_raw = {});

/// Fields that matter to a reader and of which more stand than h= covers: somebody may have added one on top
/// (§8.15). "from" first; lower case.
std::vector<std::string> unsigned_duplicates(const std::vector<Field>& fields,
                                             const std::vector<std::string>& names);

/// Asks for selector._domainkey.domain and reads the record. nullopt in `result` of the pair never happens:
/// either a key, or the result and reason the signature gets.
struct KeyLookup {
    std::optional<KeyRecord> key;
    Result result = Result::PermError;
    std::string reason;
};
env::Task<KeyLookup> look_up_key(env::Resolver& resolver, std::string domain, std::string selector,
                                 Algorithm algorithm);

}  // namespace dkim
