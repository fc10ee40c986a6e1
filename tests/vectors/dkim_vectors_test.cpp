// DKIM's canonical forms, tag lists and key records as two other implementations read them.
#include "base/base64.hpp"
#include "base/text.hpp"
#include "dkim/signature.hpp"
#include "dkim/signer.hpp"
#include "vectors.hpp"

#include <algorithm>

namespace vectors {
namespace {

using dkim::Canonicalization;

struct DkimVectors : Vectors {
    void SetUp() override { need("dkim"); }
};

Canonicalization form_of(std::string_view word) {
    return word == "relaxed" ? Canonicalization::Relaxed : Canonicalization::Simple;
}

std::string canonical_body(std::string_view body, Canonicalization how, std::size_t piece) {
    std::string out;
    dkim::BodyHasher hasher(how);
    hasher.collect_into(&out);
    for (std::size_t at = 0; at < body.size(); at += piece) hasher.update(body.substr(at, piece));
    hasher.finish();
    return out;
}

std::string canonical_header(std::string_view block, Canonicalization how) {
    std::string out;
    for (const auto& field : dkim::split_fields(block)) out += dkim::canonical_field(field.raw, how);
    return out;
}

/// RFC 5322 section 2.2: a field name is "printable US-ASCII characters (i.e., characters that have values
/// between 33 and 126, inclusive), except colon": what begins with white space is no field, nor is SUB JECT.
bool outside_the_grammar(std::string_view block) {
    return block.starts_with(' ') || block.starts_with('\t') ||
           block.find("SUB JECT") != std::string_view::npos;
}

TEST_F(DkimVectors, CanonicalFormsOfMessages) {
    std::size_t headers = 0;
    for (const auto& one : load("dkim/mail-auth-tables.json", "canonicalization")) {
        const auto message = one["message"].get<std::string>();
        const auto end = message.find("\r\n\r\n");
        const std::string block = message.substr(0, end + 2), body = message.substr(end + 4);
        for (const auto* word : {"relaxed", "simple"}) {
            EXPECT_EQ(canonical_body(body, form_of(word), 3), one[word]["body"].get<std::string>())
                << message;
            if (outside_the_grammar(block)) continue;
            ++headers;
            EXPECT_EQ(canonical_header(block, form_of(word)), one[word]["headers"].get<std::string>())
                << message;
        }
    }
    EXPECT_GE(headers, 6U);
    for (const auto& one : load("dkim/mail-auth-tables.json", "empty_body_hash_sha256"))
        for (const std::string body : one["bodies"]) {
            dkim::BodyHasher hasher(form_of(one["canonicalization"].get<std::string>()));
            hasher.update(body);
            EXPECT_EQ(base::base64_encode(hasher.finish()), one["hash"].get<std::string>());
        }
}

TEST_F(DkimVectors, CanonicalFormsOfPieces) {
    const auto tables = load("dkim/dkimpy-tables.json");
    for (const auto& one : tables["headers"]) {
        const auto how = form_of(one["canonicalization"].get<std::string>());
        for (std::size_t i = 0; i < one["input"].size(); ++i) {
            const auto& in = one["input"][i];
            const auto& out = one["expect"][i];
            // The table joins the two with a colon itself.
            const std::string raw = in["name"].get<std::string>() + ":" + in["value"].get<std::string>();
            const std::string wanted = out["name"].get<std::string>() + ":" + out["value"].get<std::string>();
            EXPECT_EQ(dkim::canonical_field(raw, how), wanted);
            EXPECT_EQ(dkim::canonical_field(wanted, how), wanted);
        }
    }
    for (const auto& one : tables["body"])
        for (const std::size_t piece : {1U, 2U, 1000U}) {
            const auto how = form_of(one["canonicalization"].get<std::string>());
            const auto wanted = one["expect"].get<std::string>();
            EXPECT_EQ(canonical_body(one["input"].get<std::string>(), how, piece), wanted) << one;
            EXPECT_EQ(canonical_body(wanted, how, piece), wanted) << one;
        }
}

TEST_F(DkimVectors, TheTagOfTheForms) {
    const auto tables = load("dkim/dkimpy-tables.json");
    for (const auto& one : tables["c_tag_parse"]) {
        // An absent tag is parse_signature's business: it has the defaults.
        const std::string tag = one["value"].is_null() ? "" : " c=" + one["value"].get<std::string>() + ";";
        const auto got = dkim::parse_signature(
            "v=1; a=rsa-sha256; d=a.test; s=s; h=from; bh=" + base::base64_encode(std::string(32, 'x')) +
            ";" + tag + " b=AAAA");
        ASSERT_EQ(got.has_value(), !one.contains("error")) << one;
        if (!got) continue;
        EXPECT_EQ(dkim::to_text(got->header_form), one["header"].get<std::string>());
        EXPECT_EQ(dkim::to_text(got->body_form), one["body"].get<std::string>());
    }
    const auto key = *dkim::PrivateKey::parse(dkim::generate_key_pem(0));
    for (const auto& one : tables["c_tag_write"]) {
        dkim::SignOptions how;
        how.domain = "a.test";
        how.selector = "s";
        how.header_form = form_of(one["header"].get<std::string>());
        how.body_form = form_of(one["body"].get<std::string>());
        const auto field = dkim::Signer(how, "From: ann@a.test\r\n").field(key);
        EXPECT_NE(field.find("c=" + one["value"].get<std::string>() + ";"), std::string::npos) << field;
    }
}

TEST_F(DkimVectors, SignatureValues) {
    std::size_t read = 0;
    for (const auto& one : load("dkim/mail-auth-tables.json", "signature_values")) {
        const auto value = one["value"].get<std::string>();
        const auto got = dkim::parse_signature(value);
        // RFC 6376 section 3.5: sig-a-tag-alg = sig-a-tag-k "-" sig-a-tag-h: there is no white space inside;
        // and h= holds names, "hdr-name *( [FWS] ":" [FWS] hdr-name )", none of them empty.
        if (value.find("rsa - sha256") != std::string::npos) {
            EXPECT_FALSE(got.has_value());
            continue;
        }
        ASSERT_TRUE(got.has_value()) << value << ": " << got.error();
        ++read;
        const auto& wanted = one["expect"];
        EXPECT_EQ(dkim::to_text(got->algorithm), wanted["a"].get<std::string>());
        EXPECT_EQ(got->domain, wanted["d"].get<std::string>());
        EXPECT_EQ(got->selector, wanted["s"].get<std::string>());
        const auto identity = wanted["i"].get<std::string>();
        EXPECT_EQ(got->identity, identity.empty() ? "@" + got->domain : identity);
        EXPECT_EQ(got->signed_names, wanted["h"].get<std::vector<std::string>>());
        EXPECT_EQ(got->body_length.value_or(0), wanted["l"].get<std::uint64_t>());
        EXPECT_EQ(got->timestamp.value_or(0), wanted["t"].get<std::uint64_t>());
        EXPECT_EQ(got->expiration.value_or(0), wanted["x"].get<std::uint64_t>());
        EXPECT_EQ(base::base64_encode(got->body_hash), wanted["bh"].get<std::string>());
        EXPECT_EQ(base::base64_encode(got->signature), wanted["b"].get<std::string>());
        EXPECT_EQ(
            std::string(dkim::to_text(got->header_form)) + "/" + std::string(dkim::to_text(got->body_form)),
            wanted["c"].get<std::string>());
    }
    EXPECT_GE(read, 2U);
}

TEST_F(DkimVectors, KeyRecords) {
    const auto tables = load("dkim/mail-auth-tables.json");
    for (const auto& one : tables["key_records"]) {
        const auto text = one["record"].get<std::string>();
        const auto got = dkim::parse_key_record(text, dkim::Algorithm::RsaSha256);
        // RFC 6376 section 3.2: tag-list = tag-spec *( ";" tag-spec ) [ ";" ]: no tag is empty; and "sha 256"
        // is no algorithm's name (section 3.6.1, key-h-tag-alg).
        if (text.find(";;") != std::string::npos) {
            EXPECT_FALSE(got.has_value());
            continue;
        }
        ASSERT_TRUE(got.has_value()) << text << ": " << got.error().why;
        const auto flags = one["flags"].get<std::vector<std::string>>();
        EXPECT_EQ(got->testing, std::ranges::find(flags, "y") != flags.end());
        EXPECT_EQ(got->strict_identity, std::ranges::find(flags, "s") != flags.end());
    }
    for (const std::string text : tables["revoked_key_records"]) {
        const auto got = dkim::parse_key_record(text, dkim::Algorithm::RsaSha256);
        ASSERT_FALSE(got.has_value()) << text;
        EXPECT_TRUE(got.error().revoked) << text;
    }
}

TEST_F(DkimVectors, TheSignaturesOwnValueGoes) {
    const auto unfolded = [](std::string text) {
        std::erase_if(text, [](char c) { return c == '\r' || c == '\n'; });
        return text;
    };
    for (const auto& one : load("dkim/mail-auth-tables.json", "strip_b_tag")) {
        const auto value = one["value"].get<std::string>();
        const std::string got = unfolded(dkim::without_signature_value("DKIM-Signature:" + value));
        // RFC 6376 section 3.2: "Tags MUST be interpreted in a case-sensitive manner": B= is another tag.
        if (value.starts_with('B'))
            EXPECT_EQ(got, unfolded("DKIM-Signature:" + value));
        else
            EXPECT_EQ(got, unfolded("DKIM-Signature:" + one["stripped"].get<std::string>()));
    }
}

}  // namespace
}  // namespace vectors
