#include "arc/chain.hpp"
#include "arc/sealer.hpp"
#include "env/zone_resolver.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace arc {
namespace {

constexpr std::string_view header =
    "DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=s; h=from; bh=eA==; b=eA==\r\n"
    "From: Ann <ann@example.org>\r\nTo: list@example.net\r\nSubject: hello\r\n";
constexpr std::string_view body = "Hello\r\n";

const dkim::PrivateKey& key() {
    static const dkim::PrivateKey one = *dkim::PrivateKey::parse(dkim::generate_key_pem(0));
    return one;
}

std::vector<std::string> zone() {
    return {fmt::format("s._domainkey.list.example TXT \"k=ed25519; p={}\"", key().public_record_value())};
}

ChainResult check(const std::string& block, env::ZoneResolver& resolver, std::string_view text = body) {
    ChainVerifier verifier(block);
    verifier.body(text);
    return env::run_now(verifier.finish(resolver));
}
ChainResult check(const std::string& block, std::string_view text = body) {
    env::ZoneResolver resolver(zone());
    return check(block, resolver, text);
}

std::string seal(const std::string& block, ChainStatus chain, std::string_view text = body) {
    Sealer sealer({"list.example", "s", "mx.list.example", {}, 1}, block);
    sealer.body(text);
    return sealer.seal(key(), chain, "dkim=pass header.d=example.org") + block;
}

/// `sets` hops, each sealing what it got.
std::string chain_of(unsigned sets) {
    std::string block(header);
    for (unsigned i = 0; i < sets; ++i) block = seal(block, i == 0 ? ChainStatus::None : ChainStatus::Pass);
    return block;
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
    const auto at = text.find(from);
    CHECK(at != std::string::npos);
    return text.replace(at, from.size(), to);
}

TEST(Chain, GrowsAndHolds) {
    EXPECT_EQ(check(std::string(header)).status, ChainStatus::None);
    std::string block(header);
    for (unsigned i = 1; i <= 5; ++i) {
        block = seal(block, i == 1 ? ChainStatus::None : ChainStatus::Pass);
        const auto got = check(block);
        EXPECT_EQ(got.status, ChainStatus::Pass) << i << got.reason;
        EXPECT_EQ(got.instances, i);
        EXPECT_EQ(got.sealers.back(), "list.example");
        EXPECT_EQ(got.oldest_pass, 0U);
    }
    EXPECT_NE(block.find("dkim-signature"), std::string::npos) << "what signed before is covered (4.1.2)";
}

TEST(Chain, WhatBreaksIt) {
    const std::string good = chain_of(2);
    struct Case {
        const char* what;
        std::string block;
    };
    for (const auto& [what, block] : {
             Case{"a signed field", replaced(good, "Subject: hello", "Subject: Hello")},
             {"the first DKIM-Signature", replaced(good, "b=eA==\r\nFrom", "b=eB==\r\nFrom")},
             {"an older result",
              replaced(good, "i=1; mx.list.example; dkim=pass", "i=1; mx.list.example; dkim=fail")},
             {"cv of the first set", replaced(good, "cv=none", "cv=pass")},
             {"cv of the second set", replaced(good, "cv=pass", "cv=none")},
             {"cv=fail on top", replaced(good, "cv=pass", "cv=fail")},
             {"a set twice", seal(std::string(header), ChainStatus::None) + good},
             {"a gap", good.substr(0, good.find("ARC-Seal", 10)) + std::string(header)},
             {"instance 0", replaced(good, "i=1; mx", "i=0; mx")},
             {"instance 51", replaced(good, "i=2; mx", "i=51; mx")},
             {"no number", replaced(good, "i=2; mx", "i=x; mx")},
             {"h= in a seal", replaced(good, "cv=pass;", "cv=pass; h=from;")},
             {"a tag twice in a seal", replaced(good, "cv=pass;", "cv=pass; cv=pass;")},
             {"a seal lost", replaced(good, "ARC-Seal:", "X-Seal:")},
         }) {
        const auto got = check(block);
        EXPECT_EQ(got.status, ChainStatus::Fail) << what;
        EXPECT_FALSE(got.reason.empty()) << what;
    }
    EXPECT_EQ(check(good, "Hello, changed\r\n").status, ChainStatus::Fail);
}

TEST(Chain, ABodyChangedBeforeTheLastSealHolds) {
    const std::string first = seal(std::string(header), ChainStatus::None);
    const std::string block = seal(first, ChainStatus::Pass, "Hello\r\n-- \r\nfooter\r\n");
    const auto got = check(block, "Hello\r\n-- \r\nfooter\r\n");
    EXPECT_EQ(got.status, ChainStatus::Pass) << got.reason;
    EXPECT_EQ(got.oldest_pass, 2U);
}

TEST(Chain, AFailedChainIsSealedOnceAndNeverAgain) {
    const std::string broken = replaced(chain_of(1), "Subject: hello", "Subject: Hello");
    const std::string marked = seal(broken, ChainStatus::Fail);
    EXPECT_NE(marked.find("cv=fail"), std::string::npos);
    EXPECT_EQ(check(marked).status, ChainStatus::Fail);
    EXPECT_EQ(seal(marked, ChainStatus::Fail), marked) << "5.1.2";
}

TEST(Chain, LengthMustCoverTheBody) {
    const auto parsed =
        parse_message_signature(" i=1; a=rsa-sha256; d=a.example; s=s; h=from; bh=eA==; b=eA==; l=3; v=7");
    ASSERT_TRUE(parsed) << "a version is ignored (4.1.2)";
    EXPECT_EQ(parsed->body_length, 3U);
    EXPECT_FALSE(
        parse_message_signature(" i=1; a=rsa-sha256; d=a.example; s=s; h=from:arc-seal; bh=eA==; b=eA=="));
}

TEST(Chain, CostIsBounded) {
    std::string block = chain_of(50);
    env::ZoneResolver resolver(zone());
    EXPECT_EQ(check(block, resolver).status, ChainStatus::Pass);
    EXPECT_LE(resolver.questions, 100U);
    EXPECT_EQ(seal(block, ChainStatus::Pass), block) << "full (4.2.1)";
    std::string flood;
    for (int i = 0; i < 5000; ++i) flood += fmt::format("ARC-Seal: i={}; cv=none\r\n", i);
    env::ZoneResolver unasked(zone());
    EXPECT_EQ(check(flood + std::string(header), unasked).status, ChainStatus::Fail);
    EXPECT_EQ(unasked.questions, 0U);
}

TEST(Chain, ADnsFailureIsAFailure) {
    env::ZoneResolver resolver({"s._domainkey.list.example SERVFAIL"});
    const auto got = check(chain_of(1), resolver);
    EXPECT_EQ(got.status, ChainStatus::TempError);
    EXPECT_EQ(to_text(got.status), "fail") << "5.2.1";
}

}  // namespace
}  // namespace arc
