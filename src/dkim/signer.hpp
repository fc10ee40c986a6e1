// Makes DKIM-Signature fields (RFC 6376 §5). Pure: the caller feeds the body and gives the time. One Signer
// for one message.
#pragma once

#include "dkim/canonicalization.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dkim {

struct SignOptions {
    std::string domain;
    std::string selector;
    std::string identity;  // i=; empty: not written
    Canonicalization header_form = Canonicalization::Relaxed;
    Canonicalization body_form = Canonicalization::Simple;
    /// Exactly these names; empty: the fields RFC 6376 §5.4.1 recommends that the message has, oversigned as
    /// below.
    std::vector<std::string> names;
    /// Signed once more than they stand, so that nobody can add another (§8.15): always those a reader sees,
    /// and of those that say how to read the body the ones that are there.
    std::vector<std::string> oversigned{"from", "to", "cc", "reply-to", "subject"};
    std::vector<std::string> oversigned_if_present{"date",         "message-id", "mime-version",
                                                   "content-type", "sender",     "content-transfer-encoding"};
    std::optional<std::uint64_t> timestamp;
    std::optional<std::uint64_t> expiration;
};

/// The names RFC 6376 §5.4.1 recommends to sign, once for each field that stands there.
std::vector<std::string> recommended_names(const std::vector<Field>& fields);

class Signer {
 public:
    Signer(SignOptions options, std::string header_block);
    void body(std::string_view octets) { hasher_.update(octets); }
    /// In place of body(): the SHA-256 of the canonical body, 32 octets.
    void use_body_hash(std::string_view digest);
    /// The whole field with CRLF, folded; to be put before the message. Once, after the body. May be called
    /// for several keys: the body hash is shared.
    std::string field(const PrivateKey& key, std::string_view selector);
    std::string field(const PrivateKey& key) { return field(key, options_.selector); }

 private:
    SignOptions options_;
    std::string header_block_;
    std::vector<Field> fields_;
    std::vector<std::string> names_;
    BodyHasher hasher_;
    std::string body_hash_;
};

}  // namespace dkim
