// DKIM-Signature fields and key records as values (RFC 6376 §3.2, §3.5, §3.6.1; RFC 8301, 8463).
#pragma once

#include "dkim/canonicalization.hpp"

#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dkim {

/// A tag list (§3.2): names are case-sensitive, duplicates are an error. Values keep inner white space, ends
/// trimmed. What is no printable octet, white space or UTF-8 (RFC 8616 §5) is an error.
class TagList {
 public:
    static constexpr std::size_t tags_max = 100;
    static std::expected<TagList, std::string> parse(std::string_view text);
    const std::string* find(std::string_view name) const;
    /// All white space removed: for base64.
    std::optional<std::string> compact(std::string_view name) const;
    /// Pieces between colons, white space at their ends removed; empty when the tag is not there.
    std::vector<std::string> list(std::string_view name) const;
    const std::vector<std::pair<std::string, std::string>>& in_order() const { return tags_; }

 private:
    std::vector<std::pair<std::string, std::string>> tags_;
};

struct SignatureLimits {
    std::size_t field_octets_max = 16 * 1024;
    std::size_t signed_names_max = 500;  // of h=
};

struct Signature {
    Algorithm algorithm = Algorithm::RsaSha256;
    std::string signature;  // b=, decoded
    std::string body_hash;  // bh=, decoded
    Canonicalization header_form = Canonicalization::Simple;
    Canonicalization body_form = Canonicalization::Simple;
    std::string domain;                        // d=, lower case, A-labels
    std::string selector;                      // s=, lower case, A-labels
    std::string identity;                      // i=; "@" + domain when absent
    std::vector<std::string> signed_names;     // h=, as written
    std::optional<std::uint64_t> body_length;  // l=
    std::optional<std::uint64_t> timestamp;    // t=
    std::optional<std::uint64_t> expiration;   // x=
};

/// `value`: what stands behind "DKIM-Signature:". Checks §6.1.1 except for time and key. d=, s= and i= may
/// hold U-labels (RFC 8616 §5).
std::expected<Signature, std::string> parse_signature(std::string_view value,
                                                      const SignatureLimits& limits = {});

/// c= of DKIM and ARC: "relaxed/simple", "relaxed" (= relaxed/simple), absent (= simple/simple).
std::optional<std::pair<Canonicalization, Canonicalization>> parse_canonicalization(std::string_view text);

/// The field with the value of its b= tag removed and nothing else changed (§3.5, "b="). `raw` is the whole
/// field.
std::string without_signature_value(std::string_view raw);

struct KeyRecord {
    PublicKey key;
    bool testing = false;          // t=y
    bool strict_identity = false;  // t=s: i= must equal d=
};
struct KeyError {
    bool revoked = false;  // p= is empty
    std::string why;
};
/// `text`: the joined TXT record. `algorithm` must be allowed by k= and h=.
std::expected<KeyRecord, KeyError> parse_key_record(std::string_view text, Algorithm algorithm);

}  // namespace dkim
