#include "dkim/signature.hpp"

#include "base/base64.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace dkim {
namespace {

TEST(TagList, Grammar) {
    for (const std::string_view good : {"", "a=1", "a=1;", " a = 1 ; b = 2 ; ",
                                        "a=", "a=;b=", "a\r\n =\r\n\t1", "a_1=x=y", "n=gr\xc3\xbc\xc3\x9f"})
        EXPECT_TRUE(TagList::parse(good)) << good;
    for (const std::string_view bad :
         {";", "a=1;;b=2", "a", "=1", "1a=2", "a b=1", "a=1; a=2", "a=\x01", "a=1; b\x7f=2", "a=\xff", "-=1"})
        EXPECT_FALSE(TagList::parse(bad)) << bad;
    EXPECT_FALSE(TagList::parse(std::string_view("a=x\0y", 5)));
    EXPECT_TRUE(TagList::parse("a=1; A=2")) << "names are case-sensitive (3.2)";
    std::string many;
    for (std::size_t i = 0; i <= TagList::tags_max; ++i) many += fmt::format("x{}=;", i);
    EXPECT_FALSE(TagList::parse(many));
    EXPECT_EQ(*TagList::parse("b=a b\r\n\tc")->compact("b"), "abc");
    EXPECT_EQ(TagList::parse("h= from :\r\n to:cc ")->list("h"),
              (std::vector<std::string>{"from", "to", "cc"}));
}

constexpr std::string_view usual =
    "v=1; a=rsa-sha256; c=relaxed/simple; d=example.org; s=s1; h=from:to; bh=aGFzaA==; b=c2ln";

std::string with(std::string_view tag, std::string_view value) {
    std::string out;
    const auto tags = TagList::parse(usual);
    for (const auto& [name, old] : tags->in_order())
        if (name != tag) out += name + "=" + old + "; ";
    return value == "-" ? out : fmt::format("{}{}={}", out, tag, value);
}

TEST(Signature, TagsOneByOne) {
    ASSERT_TRUE(parse_signature(usual)) << parse_signature(usual).error();
    struct Case {
        std::string_view tag, value;
        bool good;
    };
    for (const auto& [tag, value, good] : {
             Case{"v", "2", false},
             {"v", "", false},
             {"v", "-", false},
             {"v", "1.0", false},
             {"a", "rsa-sha1", true},
             {"a", "RSA-SHA256", true},
             {"a", "rsa-sha512", false},
             {"a", "-", false},
             {"a", "ed25519-sha256", true},
             {"a", "rsa- sha256", false},
             {"b", "", false},
             {"b", "!!", false},
             {"b", "c2\r\n ln", true},
             {"b", "-", false},
             {"bh", "-", false},
             {"bh", "%%", false},
             {"bh", "", false},
             {"c", "-", true},
             {"c", "simple", true},
             {"c", "relaxed", true},
             {"c", "nowsp", false},
             {"c", "relaxed/", false},
             {"c", "simple/relaxed/simple", false},
             {"c", "", false},
             {"d", "-", false},
             {"d", "", false},
             {"d", "exam ple.org", false},
             {"d", "a..b", false},
             {"d", ".", false},
             {"d", "m\xc3\xbcller.example", true},
             {"d", "EXAMPLE.org", true},
             {"s", "a.b", true},
             {"s", "", false},
             {"s", "a b", false},
             {"s", "-", false},
             {"h", "to", false},
             {"h", "", false},
             {"h", "from:", false},
             {"h", ":from", false},
             {"h", "FROM", true},
             {"h", " from : to ", true},
             {"h", "fr om", false},
             {"h", "from::to", false},
             {"h", "-", false},
             {"h", "from:x-any:from", true},
             {"i", "@example.org", true},
             {"i", "ann@sub.example.org", true},
             {"i", "ann@example.net", false},
             {"i", "example.org", false},
             {"i", "@notexample.org", false},
             {"i", "", false},
             {"i", "a@", false},
             {"l", "0", true},
             {"l", "-1", false},
             {"l", "1 2", false},
             {"l", "", false},
             {"l", "99999999999999999999999", false},
             {"q", "dns/txt", true},
             {"q", "DNS/TXT:other", true},
             {"q", "other : dns/txt", true},
             {"q", "other", false},
             {"q", "", false},
             {"t", "1", true},
             {"t", "x", false},
             {"x", "1", true},
             {"x", "+1", false},
             {"z", "From:foo|To:bar", true},
             {"unknown_tag", "anything", true},
         })
        EXPECT_EQ(parse_signature(with(tag, value)).has_value(), good) << tag << "=" << value;
    EXPECT_FALSE(parse_signature(std::string(usual) + "; t=5; x=5"));
    EXPECT_FALSE(parse_signature(std::string(usual) + "; t=6; x=5"));
    EXPECT_TRUE(parse_signature(std::string(usual) + "; t=5; x=6"));
    EXPECT_FALSE(parse_signature(std::string(usual) + "; d=example.org")) << "twice";
}

TEST(Signature, Defaults) {
    const auto plain = parse_signature(with("c", "-"));
    ASSERT_TRUE(plain);
    EXPECT_EQ(plain->header_form, Canonicalization::Simple);
    EXPECT_EQ(plain->body_form, Canonicalization::Simple);
    EXPECT_EQ(plain->identity, "@example.org");
    const auto relaxed = parse_signature(with("c", "relaxed"));
    EXPECT_EQ(relaxed->header_form, Canonicalization::Relaxed);
    EXPECT_EQ(relaxed->body_form, Canonicalization::Simple);
    const auto idn = parse_signature(with("d", "M\xc3\xbcller.example"));
    EXPECT_EQ(idn->domain, "xn--mller-kva.example");
}

TEST(Signature, Sizes) {
    std::string names = "from";
    for (int i = 0; i < 20000; ++i) names += ":x";
    EXPECT_FALSE(parse_signature(with("h", names)));
    EXPECT_FALSE(parse_signature(std::string(usual) + "; n=" + std::string(70000, 'x')));
}

TEST(Signature, ValueOfBRemoved) {
    struct Case {
        std::string_view raw, left;
    };
    for (const auto& [raw, left] :
         {Case{"DKIM-Signature: a=1; b=xx; c=d\r\n", "DKIM-Signature: a=1; b=; c=d\r\n"},
          {"DKIM-Signature: bh=b=; b = x\r\n y \r\n", "DKIM-Signature: bh=b=; b =\r\n"},
          {"DKIM-Signature: b=x;\r\n", "DKIM-Signature: b=;\r\n"},
          {"DKIM-Signature:\r\n\tb=x", "DKIM-Signature:\r\n\tb="},
          {"DKIM-Signature: a=1\r\n", "DKIM-Signature: a=1\r\n"}})
        EXPECT_EQ(without_signature_value(raw), left) << raw;
}

TEST(KeyRecord, TagsOneByOne) {
    const auto rsa = *PrivateKey::parse(generate_key_pem(1024));
    const auto ed = *PrivateKey::parse(generate_key_pem(0));
    const std::string p = rsa.public_record_value();
    struct Case {
        std::string text;
        bool good;
    };
    for (const auto& [text, good] : {Case{"p=" + p, true},
                                     {"v=DKIM1; p=" + p, true},
                                     {"v=DKIM1;k=rsa;p=" + p + ";", true},
                                     {"p=" + p + "; v=DKIM1", false},
                                     {"v=DKIM2; p=" + p, false},
                                     {"v=dkim1; p=" + p, false},
                                     {"k=RSA; p=" + p, true},
                                     {"k=ed25519; p=" + p, false},
                                     {"k=dsa; p=" + p, false},
                                     {"k=; p=" + p, false},
                                     {"h=sha256; p=" + p, true},
                                     {"h=sha1:sha256; p=" + p, true},
                                     {"h=sha1; p=" + p, false},
                                     {"h= sha1 : SHA256 ; p=" + p, true},
                                     {"h=; p=" + p, false},
                                     {"s=email; p=" + p, true},
                                     {"s=*; p=" + p, true},
                                     {"s=other:email; p=" + p, true},
                                     {"s=tls; p=" + p, false},
                                     {"t=y:s:x; p=" + p, true},
                                     {"n=hello; g=*; p=" + p, true},
                                     {"p=", false},
                                     {"k=rsa", false},
                                     {"p=" + p + "; p=" + p, false},
                                     {"p=notbase64!", false},
                                     {"", false},
                                     {"p=" + p.substr(0, p.size() - 8), false},
                                     {"p=" + ed.public_record_value(), false},
                                     {"p=" + base::base64_encode(*base::base64_decode(p) + "more"), false},
                                     {"p=" + p.substr(0, 20) + " " + p.substr(20), true}})
        EXPECT_EQ(parse_key_record(text, Algorithm::RsaSha256).has_value(), good) << text;
    EXPECT_TRUE(parse_key_record("k=ed25519; p=" + ed.public_record_value(), Algorithm::Ed25519Sha256));
    EXPECT_FALSE(parse_key_record("p=" + ed.public_record_value(), Algorithm::Ed25519Sha256))
        << "k= is rsa by default";
    EXPECT_FALSE(parse_key_record("k=ed25519; p=AAAA", Algorithm::Ed25519Sha256));
    EXPECT_TRUE(parse_key_record("p=", Algorithm::RsaSha256).error().revoked);
    const auto flags = parse_key_record("t=s:y; p=" + p, Algorithm::RsaSha256);
    EXPECT_TRUE(flags->testing && flags->strict_identity);
}

TEST(Canonical, Fields) {
    constexpr auto simple = Canonicalization::Simple, relaxed = Canonicalization::Relaxed;
    struct Case {
        std::string_view raw, relaxed;
    };
    for (const auto& [raw, wanted] : {Case{"A: X \r\n", "a:X\r\n"},
                                      {"B : Y\t\r\n\tZ  \r\n", "b:Y Z\r\n"},
                                      {"Subject:x\r\n", "subject:x\r\n"},
                                      {"X-Empty:\r\n", "x-empty:\r\n"},
                                      {"X-Empty: \r\n \r\n", "x-empty:\r\n"},
                                      {"No-End: a", "no-end:a\r\n"},
                                      {"A:b\rc\r\n", "a:b\rc\r\n"},
                                      {"A: gr\xc3\xbc\xc3\x9f\r\n", "a:gr\xc3\xbc\xc3\x9f\r\n"}}) {
        EXPECT_EQ(canonical_field(raw, relaxed), wanted) << raw;
        EXPECT_EQ(canonical_field(raw, simple),
                  raw.ends_with("\r\n") ? std::string(raw) : std::string(raw) + "\r\n");
    }
    const std::string long_field = "Subject: " + std::string(70000, 'x') + "\r\n";
    EXPECT_EQ(canonical_field(long_field, relaxed).size(), long_field.size() - 1);
}

TEST(Canonical, Bodies) {
    struct Case {
        std::string_view body, simple, relaxed;
    };
    for (const auto& [body, simple, relaxed] :
         {Case{"", "\r\n", ""},
          {"\r\n", "\r\n", ""},
          {"\r\n\r\n", "\r\n", ""},
          {"x", "x\r\n", "x\r\n"},
          {"x\r\n\r\n\r\n", "x\r\n", "x\r\n"},
          {" C \r\nD \t E\r\n\r\n\r\n", " C \r\nD \t E\r\n", " C\r\nD E\r\n"},
          {" \r\n\t\r\n", " \r\n\t\r\n", ""},
          {"a\rb\nc\r\n", "a\rb\nc\r\n", "a\rb\nc\r\n"},
          {"a\r\n\r\nb", "a\r\n\r\nb\r\n", "a\r\n\r\nb\r\n"},
          {"a\r", "a\r\r\n", "a\r\r\n"},
          {"\r\r\n", "\r\r\n", "\r\r\n"},
          {"\t", "\t\r\n", ""}}) {
        for (const auto& [form, wanted] :
             {std::pair(Canonicalization::Simple, simple), std::pair(Canonicalization::Relaxed, relaxed)})
            for (const std::size_t step : {1UL, 2UL, 100UL}) {
                std::string got;
                BodyHasher hasher(form);
                hasher.collect_into(&got);
                for (std::size_t i = 0; i < body.size(); i += step) hasher.update(body.substr(i, step));
                EXPECT_EQ(hasher.finish(), sha256(wanted)) << body;
                EXPECT_EQ(got, wanted) << body;
                EXPECT_EQ(hasher.canonical_octets(), wanted.size());
            }
    }
}

}  // namespace
}  // namespace dkim
