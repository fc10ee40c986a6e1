// The ARC chain of a message (RFC 8617 §5.2): read from its header, verified while the body streams by. One
// ChainVerifier for one message. Key look-ups are bounded by the number of sets, and that by Limits.
#pragma once

#include "dkim/canonicalization.hpp"
#include "dkim/signature.hpp"
#include "env/resolver.hpp"
#include "env/task.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace arc {

/// TempError: fail, because the DNS did; nothing is sealed on top of what is not known.
enum class ChainStatus { None, Pass, Fail, TempError };
/// "none", "pass", "fail": every error is a failure, those of the DNS too (RFC 8617 §5.2.1).
std::string_view to_text(ChainStatus status);

struct Limits {
    unsigned instances_max = 50;  // RFC 8617 §4.2.1
    unsigned rsa_bits_min = 1024;
    std::size_t body_forms_max = 8;  // ways to hash the body: forms and l= values
};

struct ChainResult {
    ChainStatus status = ChainStatus::None;
    std::string reason;                // why it fails
    unsigned instances = 0;            // of the newest set
    std::vector<std::string> sealers;  // d= of each ARC-Seal, oldest first; believe them only on Pass
    std::string newest_results;        // the newest ARC-Authentication-Results, without "i=N;"
    unsigned oldest_pass = 0;          // RFC 8617 §5.2 step 5: 0: all the way; else the oldest AMS that holds
};

/// One ARC set as it stands in the header; the views are into the header block.
struct Set {
    std::optional<dkim::Field> results, message_signature, seal;
    std::string chain_validation;  // cv= of the seal
};

/// Oldest first. The error: why the sets are no chain (§5.2 steps 1 to 3).
std::expected<std::vector<Set>, std::string> read_sets(const std::vector<dkim::Field>& fields,
                                                       const Limits& limits);

/// What a seal of instance `sets.size()` signs: every set in order, the last seal with its b= emptied
/// (§5.1.1); with cv=fail only the last set (§5.1.2).
std::string seal_data(const std::vector<Set>& sets, std::string_view last_seal, bool chain_failed);

/// ARC-Message-Signature as a DKIM signature value: without i=, with v=1.
std::expected<dkim::Signature, std::string> parse_message_signature(std::string_view value);

class ChainVerifier {
 public:
    /// `header_block`: the fields with CRLF line ends, without the empty line.
    explicit ChainVerifier(std::string header_block, Limits limits = {});
    ~ChainVerifier();
    ChainVerifier(ChainVerifier&&) noexcept;
    bool has_sets() const;
    void body(std::string_view octets);
    /// Once, after the body.
    env::Task<ChainResult> finish(env::Resolver& resolver);

 private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace arc
