#include "dkim/verifier.hpp"

#include "base/base64.hpp"
#include "base/check.hpp"
#include "dkim/signer.hpp"
#include "env/zone_resolver.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace dkim {
namespace {

constexpr std::uint64_t now = 1'700'000'000;
constexpr std::string_view header =
    "From: Ann <ann@example.org>\r\nTo: bob@example.net\r\nSubject: first\r\nSubject : second\r\n"
    "Date: Mon, 23 Nov 2026 10:00:00 +0000\r\n";
constexpr std::string_view body = "Hello\r\n";

const PrivateKey& rsa_key() {
    static const PrivateKey key = *PrivateKey::parse(generate_key_pem(1024));
    return key;
}
const PrivateKey& ed_key() {
    static const PrivateKey key = *PrivateKey::parse(generate_key_pem(0));
    return key;
}

/// Long values as strings of 250 octets.
std::string txt(const std::string& name, const std::string& text) {
    std::string out = name + " TXT";
    for (std::size_t i = 0; i < text.size(); i += 250) out += " \"" + text.substr(i, 250) + "\"";
    return out;
}

std::vector<std::string> zone(const std::string& tags = "") {
    return {txt("r._domainkey.example.org", "v=DKIM1; " + tags + "p=" + rsa_key().public_record_value()),
            txt("e._domainkey.example.org",
                "v=DKIM1; k=ed25519; " + tags + "p=" + ed_key().public_record_value())};
}

SignOptions options() {
    SignOptions out;
    out.domain = "example.org";
    out.selector = "r";
    out.timestamp = now - 60;
    return out;
}

std::string sign(const SignOptions& how, std::string_view head = header, std::string_view text = body,
                 const PrivateKey& key = rsa_key()) {
    Signer signer(how, std::string(head));
    signer.body(text);
    return signer.field(key);
}

std::vector<SignatureResult> verify(const std::string& block, std::string_view text, env::Resolver& resolver,
                                    VerifyOptions how = {}) {
    Verifier verifier(block, how);
    for (const char c : text) verifier.body({&c, 1});
    return env::run_now(verifier.finish(resolver, now));
}
std::vector<SignatureResult> verify(const std::string& block, std::string_view text = body) {
    env::ZoneResolver resolver(zone());
    return verify(block, text, resolver);
}

TEST(Verifier, EveryFormAndBothAlgorithms) {
    for (const auto head : {Canonicalization::Simple, Canonicalization::Relaxed})
        for (const auto text : {Canonicalization::Simple, Canonicalization::Relaxed}) {
            SignOptions how = options();
            how.header_form = head;
            how.body_form = text;
            std::string block = sign(how);
            how.selector = "e";
            block += sign(how, header, body, ed_key()) + std::string(header);
            const auto got = verify(block);
            ASSERT_EQ(got.size(), 2U);
            for (const auto& one : got) EXPECT_EQ(one.result, Result::Pass) << one.algorithm << one.reason;
            for (const auto& one : verify(block, "Hello!\r\n")) EXPECT_EQ(one.result, Result::Fail);
        }
}

TEST(Verifier, WhatWasChangedIsSeen) {
    const std::string field = sign(options());
    struct Case {
        const char* what;
        std::string block;
        Result result;
    };
    const auto replaced = [](std::string text, std::string_view from, std::string_view to) {
        const auto at = text.find(from);
        CHECK(at != std::string::npos);
        return text.replace(at, from.size(), to);
    };
    const std::string whole = field + std::string(header);
    for (const auto& [what, block, result] : {
             Case{"nothing", whole, Result::Pass},
             {"case of names and spaces, which relaxed forgives",
              replaced(whole, "Subject: first", "SUBJECT:   first \t"), Result::Pass},
             {"a field that is not signed", "X-Spam: no\r\n" + whole, Result::Pass},
             {"a subject", replaced(whole, "first", "First"), Result::Fail},
             {"the order of two subjects",
              replaced(replaced(replaced(whole, "first", "x"), "second", "first"), ": x", ": second"),
              Result::Fail},
             {"another From on top", "From: eve@example.org\r\n" + whole, Result::Fail},
             {"another From below", whole + "From: eve@example.org\r\n", Result::Fail},
             {"another Subject on top", "Subject: free\r\n" + whole, Result::Fail},
             {"a Reply-To that was not there", "Reply-To: eve@example.net\r\n" + whole, Result::Fail},
             {"a bare CR slipped into a signed field", replaced(whole, "first", "fi\rrst"), Result::Fail},
             {"the time in the signature", replaced(whole, "t=1699999940", "t=1699999941"), Result::Fail},
             {"d= of another", replaced(whole, "d=example.org", "d=example.com"), Result::PermError},
             {"a= without a key of that kind", replaced(whole, "rsa-sha256", "ed25519-sha256"),
              Result::PermError},
             {"sha1", replaced(whole, "rsa-sha256", "rsa-sha1"), Result::PermError},
             {"a tag twice", replaced(whole, "d=example.org;", "d=example.org; d=example.org;"),
              Result::PermError},
             {"no From in h=", replaced(replaced(whole, "h=from:", "h=x:"), ":from", ":x"),
              Result::PermError},
             {"version 2", replaced(whole, "v=1", "v=2"), Result::PermError},
             {"a NUL in the selector", replaced(whole, "s=r;", std::string_view("s=r\0x;", 6)),
              Result::PermError},
         }) {
        const auto got = verify(block);
        ASSERT_EQ(got.size(), 1U) << what;
        EXPECT_EQ(got[0].result, result) << what << ": " << got[0].reason;
    }
}

TEST(Verifier, FieldsAboveTheSignedOnes) {
    SignOptions how = options();
    how.names = {"from", "subject", "subject", "date"};
    const std::string whole = sign(how) + std::string(header);
    EXPECT_EQ(verify(whole)[0].result, Result::Pass);
    const auto second = verify("Subject: on top\r\n" + whole);
    EXPECT_EQ(second[0].result, Result::Pass) << "the lowest are the signed ones (5.4.2)";
    EXPECT_NE(second[0].reason.find("subject"), std::string::npos) << "but it is noted";
    EXPECT_EQ(verify("From: eve@example.org\r\n" + whole)[0].result, Result::Policy) << "8.15";
}

TEST(Verifier, HNamesOtherSignaturesNeverItself) {
    SignOptions how = options();
    const std::string older = sign(how);
    how.names = {"from", "dkim-signature", "dkim-signature"};
    const std::string block = sign(how, older + std::string(header)) + older + std::string(header);
    for (const auto& one : verify(block)) EXPECT_EQ(one.result, Result::Pass) << one.reason;
}

TEST(Verifier, KeysAndTheDns) {
    const auto result = [&](std::vector<std::string> lines, SignOptions how = options()) {
        env::ZoneResolver resolver(lines);
        return verify(sign(how) + std::string(header), body, resolver)[0];
    };
    const std::string p = "p=" + rsa_key().public_record_value();
    const std::string other = "p=" + PrivateKey::parse(generate_key_pem(1024))->public_record_value();
    const std::string name = "r._domainkey.example.org";
    EXPECT_EQ(result({}).result, Result::PermError);
    EXPECT_EQ(result({name + " SERVFAIL"}).result, Result::TempError);
    EXPECT_EQ(result({txt(name, "p=")}).result, Result::PermError);
    EXPECT_NE(result({txt(name, "p=")}).reason.find("revoked"), std::string::npos);
    EXPECT_EQ(result({txt(name, other)}).result, Result::Fail);
    EXPECT_EQ(result({txt(name, "k=rsa; h=sha1; " + p)}).result, Result::PermError);
    EXPECT_EQ(result({txt(name, "some text"), txt(name, p)}).result, Result::Pass) << "several TXT records";
    EXPECT_EQ(result({txt(name, "v=DKIM1; n=" + std::string(60000, 'n') + "; " + p)}).result, Result::Pass)
        << "64 KB";
    EXPECT_NE(result({txt(name, "t=y; " + p)}).reason.find("t=y"), std::string::npos);
    SignOptions how = options();
    how.identity = "ann@mail.example.org";
    EXPECT_EQ(result({txt(name, p)}, how).result, Result::Pass);
    EXPECT_EQ(result({txt(name, "t=s; " + p)}, how).result, Result::PermError);
    how.identity = "ann@EXAMPLE.org";
    EXPECT_EQ(result({txt(name, "t=s; " + p)}, how).result, Result::Pass);
}

TEST(Verifier, SizesOfKeys) {
    for (const auto& [bits, result] :
         {std::pair(512U, Result::Policy), std::pair(1024U, Result::Pass), std::pair(4096U, Result::Pass)}) {
        const auto key = *PrivateKey::parse(generate_key_pem(bits));
        env::ZoneResolver resolver({txt("r._domainkey.example.org", "p=" + key.public_record_value())});
        const auto got = verify(sign(options(), header, body, key) + std::string(header), body, resolver);
        EXPECT_EQ(got[0].result, result) << bits;
        EXPECT_EQ(got[0].key_bits, bits);
    }
}

TEST(Verifier, TimesAndLengths) {
    SignOptions how = options();
    how.expiration = now;
    EXPECT_EQ(verify(sign(how) + std::string(header))[0].result, Result::Pass);
    how.expiration = now - 1;
    EXPECT_EQ(verify(sign(how) + std::string(header))[0].result, Result::PermError);
}

/// A signature with l=, which our Signer never makes.
std::string signed_with_length(std::string_view length, std::string_view covered) {
    const std::string field =
        fmt::format("DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=r; h=from; l={}; bh={}; b=", length,
                    base::base64_encode(sha256(covered)));
    const auto data =
        signed_header_data(split_fields(header), {"from"}, field + "\r\n", Canonicalization::Simple);
    return field + base::base64_encode(rsa_key().sign(sha256(data))) + "\r\n" + std::string(header);
}

TEST(Verifier, LengthOfTheBody) {
    EXPECT_EQ(verify(signed_with_length("7", body))[0].result, Result::Pass);
    const auto appended = verify(signed_with_length("7", body), "Hello\r\nand more\r\n");
    EXPECT_EQ(appended[0].result, Result::Policy);
    EXPECT_EQ(appended[0].unsigned_octets, 10U);
    EXPECT_EQ(verify(signed_with_length("0", ""))[0].result, Result::Policy);
    EXPECT_EQ(verify(signed_with_length("8", body))[0].result, Result::PermError)
        << "longer than the body (3.5)";
    VerifyOptions how;
    how.partial_body = VerifyOptions::PartialBody::Pass;
    env::ZoneResolver resolver(zone());
    EXPECT_EQ(verify(signed_with_length("7", body), "Hello\r\nmore\r\n", resolver, how)[0].result,
              Result::Pass);
}

TEST(Verifier, ManySignatures) {
    const std::string one = sign(options());
    std::string block;
    for (int i = 0; i < 1000; ++i) block += one;
    env::ZoneResolver resolver(zone());
    const auto got = verify(block + std::string(header), body, resolver);
    EXPECT_LE(got.size(), 21U);
    EXPECT_EQ(std::ranges::count_if(got, [](const auto& r) { return r.result == Result::Pass; }), 10);
    EXPECT_EQ(got.back().result, Result::Policy);
    EXPECT_LE(resolver.questions, 10U);
}

/// Signatures of `count` others, none of which has a key.
std::string foreign_signatures(int count, std::string_view domain) {
    std::string out;
    for (int i = 0; i < count; ++i) {
        SignOptions how = options();
        how.domain = domain;
        how.selector = fmt::format("x{}", i);
        out += sign(how);
    }
    return out;
}

TEST(Verifier, TheAuthorsSignatureIsNotPushedOut) {
    const std::string own = sign(options());
    const auto passes = [](const std::string& block) {
        env::ZoneResolver resolver(zone());
        const auto got = verify(block, body, resolver);
        EXPECT_LE(resolver.questions, 10U);
        EXPECT_LE(got.size(), 20U);
        return std::ranges::count_if(got, [](const auto& r) { return r.result == Result::Pass; });
    };
    EXPECT_EQ(passes(foreign_signatures(50, "list.example") + own + std::string(header)), 1);
    EXPECT_EQ(passes(foreign_signatures(50, "other.org") + own + std::string(header)), 1)
        << "a top-level domain in common is nothing";
    EXPECT_EQ(passes(foreign_signatures(50, "org") + own + std::string(header)), 1);
    EXPECT_EQ(passes(foreign_signatures(9, "sub.example.org") + own + std::string(header)), 1);
    // Of relatives the uppermost come first; what stands behind the hundredth is not looked at.
    EXPECT_EQ(passes(foreign_signatures(10, "example.org") + own + std::string(header)), 0);
    EXPECT_EQ(passes(foreign_signatures(100, "list.example") + own + std::string(header)), 0);
    // A subdomain's author is as near to his organization's signature.
    std::string below(header);
    below.replace(below.find("ann@example.org"), 15, "ann@news.example.org");
    EXPECT_EQ(passes(foreign_signatures(50, "list.example") + sign(options(), below) + below), 1);
}

TEST(Verifier, UnreadableSignaturesTakeNobodysPlace) {
    std::string block;
    for (int i = 0; i < 40; ++i) block += "DKIM-Signature: v=1; nothing\r\n";
    env::ZoneResolver resolver(zone());
    const auto got = verify(block + sign(options()) + std::string(header), body, resolver);
    EXPECT_EQ(got.back().result, Result::Pass);
    EXPECT_EQ(got.front().result, Result::PermError);
    EXPECT_LE(got.size(), 11U);
}

}  // namespace
}  // namespace dkim
