// DKIM-Signature fields, key records, and canonical forms (the same whatever the pieces are).
#include "dkim/signature.hpp"

#include "dkim/canonicalization.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    dkim::parse_signature(input);
    dkim::parse_key_record(input, dkim::Algorithm::RsaSha256);
    dkim::parse_key_record(input, dkim::Algorithm::Ed25519Sha256);
    dkim::without_signature_value(input);
    for (const auto how : {dkim::Canonicalization::Simple, dkim::Canonicalization::Relaxed}) {
        std::string whole_text, parts_text;
        dkim::BodyHasher whole(how), parts(how);
        whole.collect_into(&whole_text);
        parts.collect_into(&parts_text);
        whole.update(input);
        for (const char c : input) parts.update({&c, 1});
        if (whole.finish() != parts.finish() || whole_text != parts_text) std::abort();
        for (const auto& field : dkim::split_fields(input)) dkim::canonical_field(field.raw, how);
    }
    return 0;
}
