#include "policy/dmarc_sighting.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace policy {
namespace {

Authentication failed(std::string_view record) {
    Authentication out;
    out.dmarc.result = dmarc::Result::Fail;
    out.dmarc.domain = "news.example.org";
    out.dmarc.policy_domain = out.dmarc.organizational_domain = "example.org";
    out.dmarc.record = *dmarc::parse_record(record);
    out.dmarc.published = out.dmarc.policy = out.dmarc.record->for_subdomain();
    if (out.dmarc.record->testing) out.dmarc.policy = dmarc::Policy::Quarantine;
    out.dmarc.reason = "why";
    out.spf.result = spf::Result::Fail;
    out.spf_domain = "bounces.example.net";
    return out;
}

SendingClient client() {
    SendingClient out;
    out.ip = *env::IpAddress::parse("192.0.2.9");
    out.mail_from = "x@Bounces.Example.NET";
    return out;
}

constexpr std::string_view rejecting = "v=DMARC1; p=reject; rua=mailto:r@example.org";

TEST(DmarcSighting, SaysWhyTheDispositionIsNotWhatWasPublished) {
    using Policy = dmarc::Policy;
    struct Case {
        const char* what;
        std::string_view record;
        Outcome outcome;
        std::string override_reason, disposition, type, comment;  // type empty: no reason
        dmarc::Result result = dmarc::Result::Fail;
    };
    for (const auto& c : {
             Case{"applied", rejecting, {Policy::Reject}, "", "reject", "", ""},
             Case{"trusted ARC",
                  rejecting,
                  {Policy::None},
                  "arc=pass of l2.example",
                  "none",
                  "local_policy",
                  "arc=pass as[2].d=l2.example as[1].d=l1.example"},
             Case{"only marked",
                  rejecting,
                  {Policy::None, SenderCheck::Mark},
                  "",
                  "none",
                  "local_policy",
                  "policies are not enforced here"},
             Case{"testing",
                  "v=DMARC1; p=reject; t=y; rua=mailto:r@example.org",
                  {Policy::Quarantine},
                  "",
                  "quarantine",
                  "policy_test_mode",
                  ""},
             Case{"left out by pct",
                  "v=DMARC1; p=reject; pct=10; rua=mailto:r@example.org",
                  {Policy::Quarantine},
                  "",
                  "quarantine",
                  "other",
                  "pct=10: left out of the sample"},
             Case{"undecided",
                  rejecting,
                  {Policy::None},
                  "",
                  "none",
                  "other",
                  "why",
                  dmarc::Result::TempError},
             Case{"nothing asked for",
                  "v=DMARC1; p=none; rua=mailto:r@example.org",
                  {Policy::None},
                  "",
                  "none",
                  "",
                  ""},
             Case{"passed", rejecting, {Policy::None}, "", "pass", "", "", dmarc::Result::Pass},
             Case{"passed where nothing is asked for",
                  "v=DMARC1; p=none; rua=mailto:r@example.org",
                  {Policy::None},
                  "",
                  "none",
                  "",
                  "",
                  dmarc::Result::Pass},
         }) {
        auto found = failed(c.record);
        found.dmarc.result = c.result;
        found.override_reason = c.override_reason;
        found.arc.sealers = {"l1.example", "l2.example"};
        const auto got = dmarc_sighting(found, client(), c.outcome);
        ASSERT_TRUE(got) << c.what;
        EXPECT_EQ(got->disposition, c.disposition) << c.what;
        ASSERT_EQ(got->reasons.size(), c.type.empty() ? 0U : 1U) << c.what;
        if (c.type.empty()) continue;
        EXPECT_EQ(got->reasons[0].type, c.type) << c.what;
        EXPECT_EQ(got->reasons[0].comment, c.comment) << c.what;
    }
}

TEST(DmarcSighting, NamesTheSignaturesThatMatterFirst) {
    auto found = failed(rejecting);
    const auto add = [&](const char* domain, dkim::Result result, const char* reason) {
        dkim::SignatureResult one;
        one.domain = domain;
        one.selector = "s";
        one.result = result;
        one.reason = reason;
        found.dkim.push_back(one);
    };
    add("", dkim::Result::PermError, "unreadable");
    add("broken.example", dkim::Result::Fail, "the body\r\nhas changed");
    add("lists.example", dkim::Result::Pass, "");
    add("example.org", dkim::Result::Pass, "");
    add("news.example.org", dkim::Result::Pass, "");
    const auto got = dmarc_sighting(found, client(), {dmarc::Policy::Reject});
    ASSERT_TRUE(got);
    ASSERT_EQ(got->signatures.size(), 4U);
    for (std::size_t i = 0;
         const auto* domain : {"news.example.org", "example.org", "lists.example", "broken.example"})
        EXPECT_EQ(got->signatures[i++].domain, domain);
    EXPECT_EQ(got->signatures[3].note, "the body??has changed");
    EXPECT_EQ(got->envelope_from, "bounces.example.net");
    EXPECT_EQ(got->source_ip, "192.0.2.9");
    EXPECT_EQ(got->header_from, "news.example.org");
    EXPECT_EQ(got->policy_domain, "example.org");
    EXPECT_EQ(got->spf_result, "fail");
}

TEST(DmarcSighting, LocalPolicyIsAReason) {
    auto found = failed(rejecting);
    found.local_policy = PolicyOverride{dmarc::Policy::None, "trusted_forwarder", "the old provider"};
    found.override_reason = "trusted_forwarder the old provider";
    const auto got = dmarc_sighting(found, client(), {dmarc::Policy::None});
    ASSERT_EQ(got->reasons.size(), 1U);
    EXPECT_EQ(got->reasons[0].type, "trusted_forwarder");
    EXPECT_EQ(got->reasons[0].comment, "the old provider");
    EXPECT_EQ(got->disposition, "none");
}

TEST(PolicyOverride, Parses) {
    const auto parsed = [](std::string_view text) {
        const auto got = parse_policy_override(text);
        if (!got) return std::string("wrong");
        if (!*got) return std::string("published");
        return fmt::format("{}|{}|{}", dmarc::to_text((*got)->policy), (*got)->type, (*got)->comment);
    };
    for (const auto& [text, meaning] :
         {std::pair{"none", "none|local_policy|"},
          {" Reject ", "reject|local_policy|"},
          {"published", "published"},
          {"quarantine seen too often", "quarantine|local_policy|seen too often"},
          {"none mailing_list", "none|mailing_list|"},
          {"none\ttrusted_forwarder  us & them", "none|trusted_forwarder|us & them"},
          {"none local_policy x\r\ny", "none|local_policy|x??y"},
          {"", "wrong"},
          {"maybe", "wrong"},
          {"rejects", "wrong"}})
        EXPECT_EQ(parsed(text), meaning) << text;
}

TEST(DmarcSighting, OnlyForThoseWhoWantReports) {
    EXPECT_FALSE(dmarc_sighting(failed("v=DMARC1; p=reject"), client(), {}));
    auto odd = failed(rejecting);
    odd.dmarc.policy_domain = "ex\\010ample.org";
    EXPECT_FALSE(dmarc_sighting(odd, client(), {}));
    auto none = failed(rejecting);
    none.dmarc.record.reset();
    EXPECT_FALSE(dmarc_sighting(none, client(), {}));
    auto null_sender = client();
    null_sender.mail_from.clear();
    EXPECT_EQ(dmarc_sighting(failed(rejecting), null_sender, {})->envelope_from, "");
}

}  // namespace
}  // namespace policy
