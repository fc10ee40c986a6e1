#include "dmarc/evaluate.hpp"
#include "dmarc/report_permission.hpp"
#include "env/zone_resolver.hpp"

#include <gtest/gtest.h>

namespace dmarc {
namespace {

using env::ZoneResolver;

TEST(Record, Parses) {
    const auto full = parse_record(
        "v=DMARC1; p=reject; sp = quarantine ; np=None; adkim=s; aspf=r; psd=n; t=y; pct=25; fo=1:d; "
        "rua=mailto:a@example.org!10m, https://x/, mailto:b%40c@example.net; ruf=mailto:f@example.org; x=y;");
    ASSERT_TRUE(full);
    EXPECT_EQ(full->p, Policy::Reject);
    EXPECT_EQ(full->for_subdomain(), Policy::Quarantine);
    EXPECT_EQ(full->for_missing_subdomain(), Policy::None);
    EXPECT_EQ(full->adkim, Alignment::Strict);
    EXPECT_EQ(full->psd, Psd::No);
    EXPECT_TRUE(full->testing);
    EXPECT_EQ(full->percent, 25U);
    ASSERT_EQ(full->rua.size(), 2U);
    EXPECT_EQ(full->rua[0].size_max, 10U << 20);
    EXPECT_EQ(full->rua[1].address, "b@c@example.net");
    for (const char* text : {"", "v=DMARC2; p=none", "p=none; v=DMARC1", "v=dmarc1; p=none", "v=spf1 -all"})
        EXPECT_FALSE(parse_record(text)) << text;
    EXPECT_TRUE(parse_record("v=DMARC1"));
    EXPECT_TRUE(parse_record("v = DMARC1 ; p = none"));
    EXPECT_FALSE(parse_record("v=DMARC1 p=reject")) << "the semicolon is missing";
    EXPECT_EQ(parse_record("v=DMARC1; p=none; p=reject")->p, Policy::None) << "the second is ignored (4.8)";
    EXPECT_EQ(parse_record("v=DMARC1; psd=x; t=1; adkim=q; pct=101; fo=0;;;")->psd, Psd::Unknown);
    EXPECT_EQ(parse_record("v=DMARC1; p=none; pct=101")->percent, 100U);
    EXPECT_EQ(parse_record("v=DMARC1; p=none; pct=0")->percent, 0U);
    EXPECT_TRUE(parse_record("v=DMARC1; p=reject; sp=x; rua=https://r.example/")->usable())
        << "any URI (4.10.1)";
    EXPECT_FALSE(parse_record("v=DMARC1; p=reject; sp=x; rua=r.example")->usable());
    EXPECT_FALSE(parse_record("v=DMARC1; p=reject; np=")->usable());
    EXPECT_FALSE(parse_record("v=DMARC1; sp=reject")->usable()) << "neither p= nor rua=";
    EXPECT_FALSE(parse_record("v=DMARC1; p=whatever")->usable());
    EXPECT_TRUE(parse_record("v=DMARC1; p=whatever; rua=mailto:a@b")->usable());
    EXPECT_EQ(parse_record("v=DMARC1; p=reject")->for_missing_subdomain(), Policy::Reject);
}

TEST(Evaluate, ForeignSignersTakeNobodysPlace) {
    ZoneResolver resolver({"_dmarc.example.org TXT \"v=DMARC1; p=reject\""});
    std::vector<Identifier> signers(50, Identifier{true, "list.example"});
    signers.push_back({true, "mail.example.org"});
    const auto got = env::run_now(evaluate(resolver, "example.org", {}, signers));
    EXPECT_EQ(got.result, Result::Pass);
    EXPECT_LE(resolver.questions, 8U);
}

struct Case {
    const char* what;
    std::vector<std::string> zone;
    std::string author, spf, dkim;  // domains that passed; "": none
    Result result;
    Policy policy;
};

TEST(Evaluate, Cases) {
    const Case cases[] = {
        {"no record",
         {"example.org A 192.0.2.1"},
         "example.org",
         "example.org",
         "",
         Result::None,
         Policy::None},
        {"strict and the same",
         {"_dmarc.example.org TXT \"v=DMARC1; p=reject; aspf=s\""},
         "example.org",
         "example.org",
         "",
         Result::Pass,
         Policy::Reject},
        {"strict and a subdomain",
         {"_dmarc.example.org TXT \"v=DMARC1; p=reject; aspf=s; adkim=s\""},
         "example.org",
         "mail.example.org",
         "mail.example.org",
         Result::Fail,
         Policy::Reject},
        {"relaxed and a subdomain",
         {"_dmarc.example.org TXT \"v=DMARC1; p=reject\""},
         "example.org",
         "",
         "mail.example.org",
         Result::Pass,
         Policy::Reject},
        {"relaxed and a sister",
         {"_dmarc.example.org TXT \"v=DMARC1; p=reject\"", "a.example.org A 192.0.2.1"},
         "a.example.org",
         "b.example.org",
         "",
         Result::Pass,
         Policy::Reject},
        {"another domain",
         {"_dmarc.example.org TXT \"v=DMARC1; p=reject\""},
         "example.org",
         "example.net",
         "example.com",
         Result::Fail,
         Policy::Reject},
        {"sp for a subdomain that exists",
         {"_dmarc.example.org TXT \"v=DMARC1; p=reject; sp=quarantine; np=none\"",
          "a.example.org A 192.0.2.1"},
         "a.example.org",
         "",
         "",
         Result::Fail,
         Policy::Quarantine},
        {"np for one that does not",
         {"_dmarc.example.org TXT \"v=DMARC1; p=reject; sp=quarantine; np=none\""},
         "b.example.org",
         "",
         "",
         Result::Fail,
         Policy::None},
        {"psd=n cuts the walk: two organizations",
         {"_dmarc.dept.example.org TXT \"v=DMARC1; p=reject; psd=n\"",
          "_dmarc.example.org TXT \"v=DMARC1; p=none\""},
         "dept.example.org",
         "example.org",
         "",
         Result::Fail,
         Policy::Reject},
        {"psd=y: the domain below is the organization",
         {"_dmarc.bank TXT \"v=DMARC1; p=reject; psd=y\"", "mail.example.bank A 192.0.2.1"},
         "mail.example.bank",
         "example.bank",
         "",
         Result::Pass,
         Policy::Reject},
        {"psd=y: two registrants are not aligned",
         {"_dmarc.bank TXT \"v=DMARC1; p=reject; psd=y\""},
         "one.bank",
         "two.bank",
         "",
         Result::Fail,
         Policy::Reject},
        {"testing lessens",
         {"_dmarc.example.org TXT \"v=DMARC1; p=reject; t=y\""},
         "example.org",
         "",
         "",
         Result::Fail,
         Policy::Quarantine},
        {"two records are none",
         {"_dmarc.example.org TXT \"v=DMARC1; p=reject\"", "_dmarc.example.org TXT \"v=DMARC1; p=none\""},
         "example.org",
         "",
         "",
         Result::None,
         Policy::None},
        {"invalid p with rua is p=none",
         {"_dmarc.example.org TXT \"v=DMARC1; p=x; rua=mailto:a@example.org\""},
         "example.org",
         "",
         "",
         Result::Fail,
         Policy::None},
        {"a failing server",
         {"_dmarc.example.org SERVFAIL"},
         "example.org",
         "",
         "",
         Result::TempError,
         Policy::None},
        {"the author's own record unknown: a pass by the parent's alignment is none",
         {"_dmarc.a.example.org SERVFAIL", "_dmarc.example.org TXT \"v=DMARC1; p=reject\""},
         "a.example.org",
         "example.org",
         "",
         Result::TempError,
         Policy::None},
        {"the own record is there: the parent's failure matters only to other domains",
         {"_dmarc.a.example.org TXT \"v=DMARC1; p=reject\"", "_dmarc.example.org SERVFAIL"},
         "a.example.org",
         "a.example.org",
         "",
         Result::Pass,
         Policy::Reject},
        {"and then decides nothing",
         {"_dmarc.a.example.org TXT \"v=DMARC1; p=reject\"", "_dmarc.example.org SERVFAIL"},
         "a.example.org",
         "b.example.org",
         "",
         Result::TempError,
         Policy::Reject},
        {"psd=y on the author's own domain does not make the parent an organization of both",
         {"_dmarc.gov.example TXT \"v=DMARC1; p=reject; psd=y\""},
         "gov.example",
         "dept.gov.example",
         "",
         Result::Fail,
         Policy::Reject},
        {"an organization's record wins over its public suffix's",
         {"_dmarc.bank TXT \"v=DMARC1; p=reject; psd=y\"", "_dmarc.one.bank TXT \"v=DMARC1; p=none\""},
         "mail.one.bank",
         "",
         "",
         Result::Fail,
         Policy::None},
        {"v=dmarc1 is no record",
         {"_dmarc.example.org TXT \"v=dmarc1; p=reject\""},
         "example.org",
         "",
         "",
         Result::None,
         Policy::None},
        {"other texts beside the record",
         {"_dmarc.example.org TXT \"v=DMARC1; p=reject\"", "_dmarc.example.org TXT \"v=spf1 -all\""},
         "example.org",
         "",
         "",
         Result::Fail,
         Policy::Reject},
        {"no domain", {}, "not a domain", "", "", Result::PermError, Policy::None},
    };
    for (const auto& c : cases) {
        ZoneResolver resolver(c.zone);
        std::vector<Identifier> dkim;
        if (!c.dkim.empty()) dkim.push_back({true, c.dkim});
        const auto got = env::run_now(evaluate(resolver, c.author, {!c.spf.empty(), c.spf}, dkim));
        EXPECT_EQ(got.result, c.result) << c.what;
        EXPECT_EQ(got.policy, c.policy) << c.what;
    }
}

TEST(Evaluate, AsksLittleHoweverDeepTheName) {
    ZoneResolver resolver({"example.org A 192.0.2.1"});
    env::run_now(evaluate(resolver, "a.b.c.d.e.f.g.h.i.j.k.l.m.n.example.org", {}, {}));
    EXPECT_EQ(resolver.questions, 8U);
}

TEST(Evaluate, WhatTheDnsDidNotSayIsNeitherPassNorFail) {
    // RFC 9989 §5.3.6. An identifier that could not align anyway changes nothing.
    const std::string record = "_dmarc.example.org TXT \"v=DMARC1; p=reject; adkim=s\"";
    const Identifier none, ours_unknown{false, "mail.example.org", true},
        other_unknown{false, "example.net", true}, exact_unknown{false, "example.org", true},
        exact_pass{true, "example.org"}, ours_failed{false, "example.org"};
    struct Unknown {
        const char* what;
        Identifier spf;
        std::vector<Identifier> dkim;
        Result result;
    };
    for (const auto& c :
         {Unknown{"SPF of ours", ours_unknown, {}, Result::TempError},
          {"SPF of another", other_unknown, {}, Result::Fail},
          {"a key of ours", none, {exact_unknown}, Result::TempError},
          {"a key of ours, not strictly", none, {ours_unknown}, Result::Fail},
          {"a key of another's", none, {other_unknown}, Result::Fail},
          {"unknown, and one that passes", ours_unknown, {exact_unknown, exact_pass}, Result::Pass},
          {"failed", ours_failed, {ours_failed}, Result::Fail}}) {
        ZoneResolver resolver({record});
        const auto got = env::run_now(evaluate(resolver, "example.org", c.spf, c.dkim));
        EXPECT_EQ(got.result, c.result) << c.what;
        EXPECT_EQ(got.spf_aligned || got.dkim_aligned, c.result == Result::Pass) << c.what;
        EXPECT_EQ(got.policy, Policy::Reject) << c.what;
        EXPECT_EQ(disposition(got, 0), c.result == Result::Fail ? Policy::Reject : Policy::None) << c.what;
    }
}

TEST(Evaluate, WhatPassesIsNotCutOffByWhatDoesNot) {
    ZoneResolver resolver({"_dmarc.example.org TXT \"v=DMARC1; p=reject\""});
    std::vector<Identifier> dkim(50, Identifier{false, "example.org", true});
    dkim.push_back({true, "mail.example.org"});
    EXPECT_EQ(env::run_now(evaluate(resolver, "example.org", {}, dkim)).result, Result::Pass);
}

TEST(Evaluate, StrangersAreNotAskedAbout) {
    // Only what lies within the author's organization can align: nobody walks up anybody else's tree.
    ZoneResolver resolver({"_dmarc.example.org TXT \"v=DMARC1; p=reject\""});
    const std::vector<Identifier> dkim(10, Identifier{true, "a.b.c.d.e.f.example.net"});
    env::run_now(evaluate(resolver, "example.org", {true, "a.b.c.example.net"}, dkim));
    EXPECT_EQ(resolver.questions, 2U);
}

TEST(Disposition, PercentageLessens) {
    Verdict verdict;
    verdict.result = Result::Fail;
    verdict.record = *parse_record("v=DMARC1; p=reject; pct=30");
    verdict.policy = Policy::Reject;
    EXPECT_EQ(disposition(verdict, 29), Policy::Reject);
    EXPECT_EQ(disposition(verdict, 30), Policy::Quarantine);
    verdict.result = Result::Pass;
    EXPECT_EQ(disposition(verdict, 0), Policy::None);
}

TEST(Reports, GoOnlyWhereTheyAreWanted) {
    ZoneResolver resolver(
        {"_dmarc.example.org TXT \"v=DMARC1; p=none\"",
         "example.org._report._dmarc.thirdparty.example TXT \"v=DMARC1\"",
         "example.org._report._dmarc.wordy.example TXT \"hello\"",
         "example.org._report._dmarc.wordy.example TXT \"v=DMARC1;\"",
         "example.org._report._dmarc.other.example TXT \"v=DMARC1; rua=mailto:r@other.example!5k\"",
         "example.org._report._dmarc.evil.example TXT \"v=DMARC1; rua=mailto:r@victim.example\"",
         "example.org._report._dmarc.broken.example SERVFAIL"});
    using Answer = ReportPermission::Answer;
    struct Case {
        std::string destination;
        Answer answer;
        std::string instead;  // the address that replaces ours; empty: none
    };
    for (const auto& [destination, answer, instead] :
         {Case{"example.org", Answer::Yes, ""}, Case{"mail.example.org", Answer::Yes, ""},
          Case{"thirdparty.example", Answer::Yes, ""}, Case{"wordy.example", Answer::Yes, ""},
          Case{"victim.example", Answer::No, ""}, Case{"other.example", Answer::Yes, "r@other.example"},
          Case{"evil.example", Answer::No, ""}, Case{"broken.example", Answer::Later, ""},
          Case{"not a domain", Answer::No, ""}, Case{std::string(240, 'a') + ".example", Answer::No, ""}}) {
        const auto got = env::run_now(report_permission(resolver, "example.org", destination));
        EXPECT_EQ(got.answer, answer) << destination;
        ASSERT_EQ(got.instead.size(), instead.empty() ? 0U : 1U) << destination;
        if (!instead.empty()) {
            EXPECT_EQ(got.instead[0].address, instead);
            EXPECT_EQ(got.instead[0].size_max, 5120U);
        }
        EXPECT_EQ(got.why.empty(), answer == Answer::Yes) << destination;
    }
}

}  // namespace
}  // namespace dmarc
