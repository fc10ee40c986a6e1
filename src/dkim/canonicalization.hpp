// Canonical forms of header fields and body (RFC 6376 §3.4). The body is hashed while it streams by.
#pragma once

#include "dkim/crypto.hpp"

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace dkim {

enum class Canonicalization { Simple, Relaxed };
std::string_view to_text(Canonicalization canonicalization);

/// One header field as it stands in the message: `raw` from the first octet of the name to the CRLF that ends
/// the field.
struct Field {
    std::string_view name;  // as written, without white space before the colon
    std::string_view raw;
};

/// The fields of a header block (without the empty line), top to bottom. Lines without a colon are skipped.
std::vector<Field> split_fields(std::string_view header_block);

/// §3.4.1, §3.4.2; the result ends with CRLF.
std::string canonical_field(std::string_view raw, Canonicalization how);

/// Body canonicalisation and hash, fed in pieces of any size; memory does not grow with the body.
class BodyHasher {
 public:
    /// `length_max`: the l= value; octets beyond are not hashed.
    explicit BodyHasher(Canonicalization how,
                        std::uint64_t length_max = std::numeric_limits<std::uint64_t>::max());
    void update(std::string_view body);
    /// 32 octets.
    std::string finish();
    /// Canonical octets seen so far, hashed or not; after finish() the whole canonical length.
    std::uint64_t canonical_octets() const { return octets_; }
    /// For tests and tools: collects the canonical form too.
    void collect_into(std::string* out) { collected_ = out; }

 private:
    void put(std::string_view canonical);
    void line_text(std::string_view text);
    void end_of_line();
    Canonicalization how_;
    std::uint64_t length_max_;
    std::uint64_t octets_ = 0;
    std::uint64_t empty_lines_ = 0;  // not yet written: they may be the trailing ones
    bool pending_space_ = false;     // relaxed: white space not yet written
    bool line_has_text_ = false;
    bool pending_cr_ = false;
    std::string* collected_ = nullptr;
    std::string buffer_;
    Sha256 hash_;
    void flush();
};

}  // namespace dkim
