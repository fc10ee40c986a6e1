#include "spf/check.hpp"

#include "spf/macro.hpp"
#include "spf/record.hpp"

#include <gtest/gtest.h>
#include <map>

namespace spf {
namespace {

class StillClock : public env::Clock {
 public:
    env::SteadyTime steady() const override { return {}; }
    env::WallTime wall() const override { return {}; }
    std::chrono::minutes zone_offset(env::WallTime) const override { return {}; }
};

/// Answers from a map; a missing name is NXDOMAIN, a name of another type NODATA, a name with "servfail"
/// SERVFAIL.
class MapResolver : public env::Resolver {
 public:
    std::map<std::pair<std::string, dns::Type>, std::vector<dns::Record>> zone;
    unsigned questions = 0;

    void txt(const std::string& name, const std::string& text) {
        zone[{name, dns::Type::Txt}].push_back(dns::Txt{{text}});
    }
    void a(const std::string& name, const std::string& address) {
        dns::A record;
        std::ranges::copy(env::IpAddress::parse(address)->bytes(), record.address.begin());
        zone[{name, dns::Type::A}].push_back(record);
    }
    void mx(const std::string& name, const std::string& host) {
        zone[{name, dns::Type::Mx}].push_back(dns::Mx{10, *dns::Name::parse(host)});
    }

    env::Task<env::DnsAnswer> query(dns::Name name, dns::Type type) override {
        ++questions;
        env::DnsAnswer out;
        if (name.text().find("servfail") != std::string::npos) co_return out;
        out.status = env::DnsAnswer::Status::NxDomain;
        for (const auto& [key, records] : zone)
            if (key.first == name.text()) out.status = env::DnsAnswer::Status::NoData;
        if (const auto found = zone.find({name.text(), type}); found != zone.end()) {
            out.status = env::DnsAnswer::Status::Ok;
            out.records = found->second;
        }
        co_return out;
    }
};

Verdict check(MapResolver& resolver, const std::string& ip, const std::string& from = "ann@example.com") {
    StillClock clock;
    return env::run_now(check_mail_from(resolver, clock,
                                        Query{*env::IpAddress::parse(ip), "mail.example.com", from, "here"}));
}

TEST(Check, Mechanisms) {
    struct Case {
        std::string record, ip;
        Result result;
    };
    for (const auto& [record, ip, result] : {
             Case{"v=spf1 -all", "192.0.2.1", Result::Fail},
             Case{"v=spf1 ~all", "192.0.2.1", Result::SoftFail},
             Case{"v=spf1", "192.0.2.1", Result::Neutral},
             Case{"v=spf1 ?all", "192.0.2.1", Result::Neutral},
             Case{"v=spf1 ip4:192.0.2.0/24 -all", "192.0.2.77", Result::Pass},
             Case{"v=spf1 ip4:192.0.2.0/24 -all", "198.51.100.1", Result::Fail},
             Case{"v=spf1 ip6:2001:db8::/32 -all", "2001:db8::1", Result::Pass},
             Case{"v=spf1 a -all", "192.0.2.10", Result::Pass},
             Case{"v=spf1 a:host.example.net/24 -all", "198.51.100.9", Result::Pass},
             Case{"v=spf1 mx -all", "198.51.100.1", Result::Pass},
             Case{"v=spf1 exists:%{i}.list.example.com -all", "192.0.2.5", Result::Pass},
             Case{"v=spf1 include:other.example -all", "203.0.113.1", Result::Pass},
             Case{"v=spf1 include:other.example -all", "203.0.113.2", Result::Fail},
             Case{"v=spf1 include:nothing.example -all", "203.0.113.2", Result::PermError},
             Case{"v=spf1 redirect=other.example", "203.0.113.1", Result::Pass},
             Case{"v=spf1 redirect=nothing.example", "203.0.113.1", Result::PermError},
             Case{"v=spf1 a:servfail.example -all", "203.0.113.1", Result::TempError},
             Case{"v=spf1 -all ip4:bad", "203.0.113.1",
                  Result::PermError},  // syntax errors count anywhere (§4.6)
             Case{"v=spf1 include:example.com -all", "203.0.113.1",
                  Result::PermError},  // loops end at ten terms
             Case{"v=spf1 a:void1.example a:void2.example a:void3.example ~all", "203.0.113.1",
                  Result::PermError},
         }) {
        MapResolver resolver;
        resolver.txt("example.com", record);
        resolver.a("example.com", "192.0.2.10");
        resolver.a("host.example.net", "198.51.100.1");
        resolver.mx("example.com", "host.example.net");
        resolver.a("192.0.2.5.list.example.com", "127.0.0.2");
        resolver.txt("other.example", "v=spf1 ip4:203.0.113.1 -all");
        EXPECT_EQ(check(resolver, ip).result, result) << record << " from " << ip;
        EXPECT_LE(resolver.questions, 40U) << record;
    }
}

TEST(Check, Discovery) {
    MapResolver resolver;
    EXPECT_EQ(check(resolver, "192.0.2.1").result, Result::None);
    EXPECT_EQ(check(resolver, "192.0.2.1", "ann@localhost").result, Result::None);
    EXPECT_EQ(check(resolver, "192.0.2.1", "ann@servfail.example").result, Result::TempError);
    resolver.txt("example.com", "v=spf10 -all");
    EXPECT_EQ(check(resolver, "192.0.2.1").result, Result::None);
    resolver.txt("example.com", "v=spf1 -all");
    EXPECT_EQ(check(resolver, "192.0.2.1").result, Result::Fail);
    resolver.txt("example.com", "v=spf1 +all");
    EXPECT_EQ(check(resolver, "192.0.2.1").result, Result::PermError);
}

TEST(Check, ExplanationIsExpandedAndClean) {
    MapResolver resolver;
    resolver.txt("example.com", "v=spf1 exp=why.%{d} -all");
    resolver.txt("why.example.com", "%{i} is not one of %{d}'s (%{l}, %{c})");
    EXPECT_EQ(check(resolver, "192.0.2.1").explanation,
              "192.0.2.1 is not one of example.com's (ann, 192.0.2.1)");
}

TEST(Check, Identities) {
    struct Case {
        std::string from, domain;
        Result result;
    };
    for (const auto& [from, domain, result] :
         {Case{"ann@example.com", "example.com", Result::Fail},
          {"@example.com", "example.com", Result::Fail},
          {"", "mail.example.com", Result::None},  // the HELO name, which has no record
          {"ann@b@example.com", "example.com", Result::Fail},
          {"ann@example.com.", "example.com.", Result::Fail},
          {"ann@m\xc3\xbcller.example", "xn--mller-kva.example", Result::Fail},  // RFC 8616 section 4
          {"ann@[192.0.2.1]", "[192.0.2.1]", Result::None},
          {"ann@com", "com", Result::None},
          {"ann@a..example.com", "a..example.com", Result::None},
          {"ann@" + std::string(64, 'x') + ".example.com", std::string(64, 'x') + ".example.com",
           Result::None}}) {
        MapResolver resolver;
        resolver.txt("example.com", "v=spf1 -all");
        resolver.txt("xn--mller-kva.example", "v=spf1 -all");
        const auto got = check(resolver, "192.0.2.1", from);
        EXPECT_EQ(got.result, result) << from;
        EXPECT_EQ(got.domain, domain) << from;
    }
}

TEST(Check, Ipv6AndDualCidr) {
    struct Case {
        std::string record, ip;
        Result result;
    };
    for (const auto& [record, ip, result] :
         {Case{"v=spf1 a/24//64 -all", "192.0.2.200", Result::Pass},
          {"v=spf1 a/24//64 -all", "2001:db8::77", Result::Pass},
          {"v=spf1 a//64 -all", "192.0.2.200", Result::Fail},
          {"v=spf1 a/24 -all", "2001:db8::77", Result::Fail},
          {"v=spf1 a/0 -all", "203.0.113.1", Result::Pass},
          {"v=spf1 ip4:192.0.2.0/24 -all", "::ffff:192.0.2.9", Result::Pass},  // a mapped address is IPv4 (5)
          {"v=spf1 ip6:::ffff:192.0.2.0/120 -all", "192.0.2.9", Result::Pass},
          {"v=spf1 ip6:2001:db8::/32 -all", "192.0.2.9", Result::Fail},
          {"v=spf1 exists:%{ir}.%{v}.list.example.com -all", "192.0.2.7", Result::Pass},
          {"v=spf1 exists:%{ir}.%{v}.list.example.com -all", "2001:db8::1", Result::Fail}}) {
        MapResolver resolver;
        resolver.txt("example.com", record);
        resolver.a("example.com", "192.0.2.10");
        dns::Aaaa six;
        std::ranges::copy(env::IpAddress::parse("2001:db8::1")->bytes(), six.address.begin());
        resolver.zone[{"example.com", dns::Type::Aaaa}].push_back(six);
        resolver.a("7.2.0.192.in-addr.list.example.com", "127.0.0.2");
        EXPECT_EQ(check(resolver, ip).result, result) << record << " from " << ip;
    }
}

TEST(Check, PtrNamesAreAskedOnce) {
    MapResolver resolver;
    resolver.txt("example.com",
                 "v=spf1 exists:%{p}.a.%{d} ptr:elsewhere.example exists:%{p}.b.%{d} ptr -all");
    for (int i = 0; i < 20; ++i) {
        const std::string name = "host" + std::to_string(i) + ".example";
        resolver.a(name, "192.0.2.1");
        resolver.zone[{"1.2.0.192.in-addr.arpa", dns::Type::Ptr}].push_back(
            dns::Ptr{*dns::Name::parse(name)});
    }
    EXPECT_EQ(check(resolver, "192.0.2.1").result, Result::Fail);
    EXPECT_EQ(resolver.questions, 1U + 1U + 10U + 2U);  // the record, the pointer, ten names, two exists
    MapResolver dead;
    dead.txt("example.com", "v=spf1 ptr -all");
    for (int i = 0; i < 20; ++i)
        dead.zone[{"1.2.0.192.in-addr.arpa", dns::Type::Ptr}].push_back(
            dns::Ptr{*dns::Name::parse("nothing" + std::to_string(i) + ".example")});
    EXPECT_EQ(check(dead, "192.0.2.1").result, Result::PermError);  // void look-ups
    EXPECT_LE(dead.questions, 5U);
}

TEST(Check, RedirectAndInclude) {
    struct Case {
        std::string record;
        Result result;
        std::string domain;
    };
    for (const auto& [record, result, domain] :
         {Case{"v=spf1 redirect=soft.example", Result::SoftFail, "soft.example"},
          {"v=spf1 redirect=soft.example -all", Result::Fail, "example.com"},  // all stands first (6.1)
          {"v=spf1 redirect=soft.example ?all", Result::Neutral, "example.com"},
          {"v=spf1 include:soft.example -all", Result::Fail, "example.com"},
          {"v=spf1 include:broken.example -all", Result::PermError, "example.com"},
          {"v=spf1 include:two.example -all", Result::PermError, "example.com"},
          {"v=spf1 include:servfail.example -all", Result::TempError, "example.com"},
          {"v=spf1 redirect=broken.example", Result::PermError, "broken.example"},
          {"v=spf1 redirect=a..b.example", Result::PermError, "example.com"},
          {"v=spf1 include:a..b.example -all", Result::PermError, "example.com"},
          {"v=spf1 REDIRECT=soft.example", Result::SoftFail, "soft.example"},
          {"V=SPF1 -ALL", Result::Fail, "example.com"}}) {
        MapResolver resolver;
        resolver.txt("example.com", record);
        resolver.txt("soft.example", "v=spf1 exp=why.example ~all");
        resolver.txt("broken.example", "v=spf1 foo:bar -all");
        resolver.txt("two.example", "v=spf1 -all");
        resolver.txt("two.example", "v=spf1 ~all");
        const auto got = check(resolver, "192.0.2.1");
        EXPECT_EQ(got.result, result) << record << ": " << got.problem;
        EXPECT_EQ(got.domain, domain) << record;
    }
}

TEST(Check, ExplanationsThatAreNone) {
    const auto explained = [](const std::vector<std::string>& texts,
                              const std::string& exp = "why.example.com") {
        MapResolver resolver;
        resolver.txt("example.com", "v=spf1 exp=" + exp + " -all");
        for (const auto& text : texts) resolver.txt("why.example.com", text);
        const auto got = check(resolver, "192.0.2.1");
        EXPECT_EQ(got.result, Result::Fail) << "exp never changes the result (6.2)";
        return got.explanation;
    };
    EXPECT_EQ(explained({"See http://%{d}/why?s=%{S}&i=%{I}"}),
              "See http://example.com/why?s=ann%40example.com&i=192.0.2.1");
    EXPECT_EQ(explained({}), "");
    EXPECT_EQ(explained({"one", "two"}), "");
    EXPECT_EQ(explained({"%{bad}"}), "");
    EXPECT_EQ(explained({std::string(1000, 'x')}), "");
    EXPECT_EQ(explained({"gr\xc3\xbc\xc3\x9f"
                         "e"}),
              "");
    EXPECT_EQ(explained({"x"}, "servfail.example"), "");
}

TEST(Check, MacrosThatWouldBreakAName) {
    MapResolver resolver;
    resolver.txt("example.com", "v=spf1 exists:%{l}.x.example.com -all");
    for (const std::string& local :
         {std::string(300, 'a'), std::string("a..b"), std::string("gr\xc3\xbc\xc3\x9f"), std::string("a b"),
          std::string("a\0b", 3), std::string("..")})
        EXPECT_EQ(check(resolver, "192.0.2.1", local + "@example.com").result, Result::Fail) << local;
    resolver.zone.clear();
    resolver.txt("example.com", "v=spf1 exists:%{d128r-.+,/_=}.%{l999999999999999999}.x.example.com -all");
    EXPECT_EQ(check(resolver, "192.0.2.1").result, Result::Fail);
}

TEST(Check, MxNamesAreLimited) {
    MapResolver resolver;
    resolver.txt("example.com", "v=spf1 mx -all");
    for (int i = 0; i < 11; ++i) resolver.mx("example.com", "m" + std::to_string(i) + ".example.com");
    EXPECT_EQ(check(resolver, "192.0.2.1").result, Result::PermError);
}

// RFC 7208 §7.4
TEST(Macro, RfcExamples) {
    MacroValues values;
    values.sender = "strong-bad@email.example.com";
    values.local_part = "strong-bad";
    values.sender_domain = values.domain = "email.example.com";
    values.ip = *env::IpAddress::parse("192.0.2.3");
    values.validated_name = "mx.example.org";
    struct Case {
        std::string_view macro, expected;
    };
    for (const auto& [macro, expected] :
         {Case{"%{s}", "strong-bad@email.example.com"}, Case{"%{o}", "email.example.com"},
          Case{"%{d4}", "email.example.com"}, Case{"%{d3}", "email.example.com"},
          Case{"%{d2}", "example.com"}, Case{"%{d1}", "com"}, Case{"%{dr}", "com.example.email"},
          Case{"%{d2r}", "example.email"}, Case{"%{l}", "strong-bad"}, Case{"%{l-}", "strong.bad"},
          Case{"%{lr}", "strong-bad"}, Case{"%{lr-}", "bad.strong"}, Case{"%{l1r-}", "strong"},
          Case{"%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"},
          Case{"%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"},
          Case{"%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"},
          Case{"%%%_%-", "% %20"}, Case{"%{S}", "strong-bad%40email.example.com"}})
        EXPECT_EQ(expand_macros(macro, values, MacroPlace::DomainSpec), expected) << macro;
    values.ip = *env::IpAddress::parse("2001:db8::cb01");
    EXPECT_EQ(expand_macros("%{ir}.%{v}._spf.%{d2}", values, MacroPlace::DomainSpec),
              "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com");
}

TEST(Macro, Syntax) {
    for (const std::string_view good :
         {"example.com", "%{d}", "a.%{i}", "%{d2r-.}.example.com", "_spf.example.com.", "%{s}.xn--a"})
        EXPECT_TRUE(is_valid_macro_text(good, MacroPlace::DomainSpec)) << good;
    for (const std::string_view bad :
         {"", "example", "%{d0}", "%{q}", "%{d", "%x", "a b.com", "a.123", "%{c}", "example.-com", "%{d}x"})
        EXPECT_FALSE(is_valid_macro_text(bad, MacroPlace::DomainSpec)) << bad;
}

TEST(Record, Errors) {
    for (const std::string_view bad :
         {"v=spf1 ip4:1.2.3", "v=spf1 ip4:1.2.3.4/33", "v=spf1 ip4:1.2.3.4/01", "v=spf1 ip6:1.2.3.4",
          "v=spf1 all:x", "v=spf1 include", "v=spf1 a:", "v=spf1 foo", "v=spf1 redirect=a.com redirect=b.com",
          "v=spf1 a/33", "v=spf1 a//129", "v=spf1 exists", "v=spf1 1x=y", "v=spf1 ptr/24"})
        EXPECT_FALSE(parse_record(bad).has_value()) << bad;
    for (const std::string_view good :
         {"v=spf1 a/24//64 mx:a.com//48 ?ptr x-y=%{d} exp=e.com", "v=spf1   -ALL  ", "v=spf1 a:%{d}/0"})
        EXPECT_TRUE(parse_record(good).has_value()) << good;
}

TEST(ReceivedSpf, PeerTextCannotBreakIt) {
    const auto field = received_spf(
        Verdict{}, Query{*env::IpAddress::parse("192.0.2.1"), "a\"\r\nX: y", "b\\@c", "here"}, "mailfrom");
    EXPECT_EQ(field.find("\r\nX:"), std::string::npos);
    EXPECT_TRUE(field.ends_with("\r\n"));
}

}  // namespace
}  // namespace spf
