// What a stranger's zone can make us ask, and for how long: SPF that includes itself without end, a hundred
// DKIM signatures, fifty ARC sets of fifty sealers, DMARC records by the hundred, names that never answer.
// The number of questions stays within the RFCs' limits, the time within sender_authentication_time_limit.
#include "arc/sealer.hpp"
#include "base/base64.hpp"
#include "dkim/signer.hpp"
#include "policy/bounded_resolver.hpp"
#include "policy/content_check.hpp"
#include "sim/files.hpp"
#include "sim/loop.hpp"
#include "sim/random.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace sim {
namespace {

using namespace std::chrono_literals;

// RFC 7208 §4.6.4: a record and ten terms, each with one question or, for mx and ptr, one and ten more; for
// the client's name one more. HELO and MAIL FROM are two identities.
constexpr std::size_t spf_questions_max = 2 * (1 + 10 * 11 + 11);
constexpr std::size_t dkim_questions_max = 10, arc_questions_max = 2 * 50;
// RFC 9989 §4.10: eight for a tree walk, one whether the name exists; an author and ten signers, SPF's
// domain, all within the author's organization.
constexpr std::size_t dmarc_questions_max = 9 + 11 * 8;

/// Everything under evil.example is published, and expensive.
class HostileResolver : public env::Resolver {
 public:
    HostileResolver(SimLoop& loop, const dkim::PrivateKey& key)
        : loop_(loop), record_("v=DKIM1; k=ed25519; p=" + key.public_record_value()) {}
    env::Task<env::DnsAnswer> query(dns::Name name, dns::Type type) override {
        ++questions;
        const std::string text = name.text();
        const bool evil = text.ends_with("evil.example");
        const auto delay = evil ? slowness : env::Duration{1ms};
        co_await loop_.sleep(delay);
        env::DnsAnswer out;
        out.canonical_name = name;
        if (evil && type == dns::Type::Txt)
            publish(text, out);
        else if (evil && type == dns::Type::Mx)
            for (int i = 0; i < 10; ++i)
                out.records.push_back(dns::Mx{10, *name.prepend(fmt::format("m{}", i))});
        else if (type == dns::Type::Ptr)
            for (int i = 0; i < 20; ++i)
                out.records.push_back(dns::Ptr{*dns::Name::parse(fmt::format("p{}.evil.example", i))});
        else if (evil && type == dns::Type::A)
            out.records.push_back(dns::A{{203, 0, 113, 1}});
        else if (text == "_dmarc.victim.example" && type == dns::Type::Txt)
            out.records.push_back(dns::Txt{{"v=DMARC1; p=reject; aspf=r"}});
        out.status = out.records.empty() ? env::DnsAnswer::Status::NoData : env::DnsAnswer::Status::Ok;
        co_return out;
    }
    std::size_t questions = 0;
    env::Duration slowness{1ms};

 private:
    void publish(const std::string& name, env::DnsAnswer& out) const {
        if (name.starts_with("_dmarc.")) {
            for (int i = 0; i < 500; ++i)
                out.records.push_back(dns::Txt{{fmt::format("v=DMARC1; p=none; x={}", i)}});
        } else if (name.find("._domainkey.") != std::string::npos) {
            out.records.push_back(dns::Txt{{record_}});
        } else {
            out.records.push_back(
                dns::Txt{{fmt::format("v=spf1 mx:m.{0} ptr:{0} include:a.{0} include:b.{0} a:x.{0} "
                                      "mx:n.{0} include:c.{0} redirect=d.{0}",
                                      name.substr(0, 100))}});
        }
    }
    SimLoop& loop_;
    std::string record_;
};

class DnsCost : public testing::Test {
 protected:
    DnsCost()
        : loop_(scheduler_, "server"),
          key_(*dkim::PrivateKey::parse(dkim::generate_key_pem(0))),
          resolver_(loop_, key_),
          random_(1) {}

    std::string signed_by(const std::string& domain, const std::string& header) {
        dkim::SignOptions how;
        how.domain = domain;
        how.selector = "s";
        how.timestamp = 1;
        dkim::Signer signer(how, header);
        signer.body("body\r\n");
        return signer.field(key_);
    }
    /// `signatures` of as many domains, the last one of `last`; below them `sets` ARC sets that all hold.
    std::string header(const std::string& author, int signatures, int sets, const std::string& last = "") {
        std::string out = "From: x@" + author + "\r\nSubject: dear\r\n";
        for (int i = 0; i < sets; ++i) {
            arc::SealOptions how;
            how.domain = fmt::format("sealer{}.evil.example", i);
            how.selector = "s";
            how.authserv_id = "evil.example";
            how.timestamp = 1;
            arc::Sealer sealer(how, out);
            sealer.body("body\r\n");
            const auto set =
                sealer.seal(key_, i == 0 ? arc::ChainStatus::None : arc::ChainStatus::Pass, "spf=pass");
            EXPECT_FALSE(set.empty()) << i;
            out = set + out;
        }
        const std::string plain = out;
        if (!last.empty()) out = signed_by(last, plain) + out;
        for (int i = 0; i < signatures; ++i)
            out = signed_by(fmt::format("signer{}.{}", i,
                                        author.ends_with("evil.example") ? author : "evil.example"),
                            plain) +
                  out;
        return out;
    }

    struct Got {
        policy::ContentVerdict verdict;
        env::Duration took{0};
    };
    Got verify(const std::string& header, policy::SendingClient client, policy::SenderOptions options = {}) {
        options.check = policy::SenderCheck::Enforce;
        options.authserv_id = "mx.example.com";
        options.canonicalization = "relaxed/simple";
        options.header_size_limit = 1 << 20;
        SimFiles files(random_.split("files"));
        auto rules = policy::make_content_rules(options, files);
        EXPECT_TRUE(rules.has_value());
        policy::ContentCheck check(*rules, policy::ContentCheck::Role::Verify);
        std::string stored;
        check.feed(header + "\r\nbody\r\n", stored);
        check.end(stored);
        const auto before = scheduler_.now();
        policy::ContentCheck::World world{resolver_, random_, loop_};
        Got out;
        out.verdict = loop_.run(check.verify(world, std::move(client)));
        out.took = scheduler_.now() - before;
        return out;
    }
    static policy::SendingClient client() {
        policy::SendingClient out;
        out.ip = *env::IpAddress::parse("198.51.100.9");
        out.helo = "helo.evil.example";
        out.mail_from = "x@from.evil.example";
        return out;
    }

    Scheduler scheduler_;
    SimLoop loop_;
    dkim::PrivateKey key_;
    HostileResolver resolver_;
    SimRandom random_;
};

TEST_F(DnsCost, QuestionsAreWithinTheLimitsOfTheRfcs) {
    policy::SenderOptions unlimited;
    unlimited.queries_max = 100000;
    const std::string deep = "a.b.c.d.e.f.g.h.i.j.k.evil.example";
    const auto got = verify(header(deep, 100, 50), client(), unlimited);
    EXPECT_LE(resolver_.questions,
              spf_questions_max + dkim_questions_max + arc_questions_max + dmarc_questions_max);
    EXPECT_GE(resolver_.questions, arc_questions_max) << "the attack did not come that far";
    EXPECT_NE(got.verdict.prepend.find("spf=permerror"), std::string::npos) << got.verdict.prepend;
    EXPECT_NE(got.verdict.prepend.find("arc=pass"), std::string::npos) << got.verdict.prepend;
    RecordProperty("questions", static_cast<int>(resolver_.questions));
}

TEST_F(DnsCost, EachStandardForItself) {
    const auto cost = [&](const std::string& fields, bool spf) {
        resolver_.questions = 0;
        auto who = client();
        if (!spf) who.ip.reset();
        verify(fields, who);
        return resolver_.questions;
    };
    const std::size_t author = cost("From: x@other.example\r\n", false);
    EXPECT_LE(author, 2U);
    EXPECT_LE(cost("From: x@other.example\r\n", true) - author, spf_questions_max);
    EXPECT_LE(cost(header("other.example", 100, 0), false) - author, dkim_questions_max);
    const auto fifty = cost(header("other.example", 0, 50), false) - author;
    EXPECT_GE(fifty, 100U);
    EXPECT_LE(fifty, arc_questions_max);
    EXPECT_LE(cost("From: x@a.b.c.d.e.f.g.h.i.j.k.evil.example\r\n", false), 9U);
}

TEST_F(DnsCost, OneMessageHasSoManyQuestions) {
    policy::SenderOptions few;
    few.queries_max = 40;
    const auto got = verify(header("other.example", 100, 50), client(), few);
    EXPECT_LE(resolver_.questions, 40 + dmarc_questions_max);
    EXPECT_NE(got.verdict.prepend.find("arc="), std::string::npos) << got.verdict.prepend;
    EXPECT_EQ(got.verdict.prepend.find("arc=pass"), std::string::npos) << got.verdict.prepend;
    EXPECT_NE(got.verdict.note.find("limits exceeded"), std::string::npos) << got.verdict.note;
}

TEST_F(DnsCost, SlowNamesHoldNobodyLongerThanTheLimit) {
    for (const env::Duration slowness : {env::Duration{5s}, env::Duration{3600s * 24}}) {
        resolver_.slowness = slowness;
        policy::SenderOptions options;
        options.time_limit = 30s;
        const auto slow = verify(header("deep.evil.example", 100, 50), client(), options);
        EXPECT_LE(slow.took, 60s);
        EXPECT_GE(slow.took, 30s);
        EXPECT_FALSE(slow.verdict.refusal);
        EXPECT_NE(slow.verdict.prepend.find("=temperror"), std::string::npos) << slow.verdict.prepend;
    }
}

TEST_F(DnsCost, SlowNamesHideNoPolicy) {
    resolver_.slowness = 24h;
    policy::SenderOptions options;
    options.time_limit = 30s;
    // The author's policy is found in time whatever else is slow; nothing aligned is unknown: refused.
    auto got = verify(header("victim.example", 9, 0), client(), options);
    ASSERT_TRUE(got.verdict.refusal);
    EXPECT_EQ(got.verdict.refusal->code, 550) << got.verdict.refusal->text;
    // A signature that would align stands behind nine that take all the time: come again, and it will be so
    // again.
    got = verify(header("victim.example", 9, 0, "victim.example"), client(), options);
    ASSERT_TRUE(got.verdict.refusal);
    EXPECT_EQ(got.verdict.refusal->code, 451) << got.verdict.refusal->text;
    EXPECT_LE(got.took, 60s);
}

TEST_F(DnsCost, AQuestionMayOutliveWhoAsked) {
    resolver_.slowness = 100s;
    {
        policy::BoundedResolver bounded(resolver_, loop_, {1s, 10});
        const auto answer = loop_.run(bounded.query(*dns::Name::parse("x.evil.example"), dns::Type::A));
        EXPECT_EQ(answer.status, env::DnsAnswer::Status::Timeout);
        EXPECT_TRUE(bounded.exceeded());
    }
    scheduler_.run_for(200s);
    policy::BoundedResolver bounded(resolver_, loop_, {200s, 1});
    EXPECT_TRUE(loop_.run(bounded.query(*dns::Name::parse("x.evil.example"), dns::Type::A)).ok());
    EXPECT_FALSE(bounded.exceeded());
    EXPECT_FALSE(loop_.run(bounded.query(*dns::Name::parse("x.evil.example"), dns::Type::A)).ok());
    EXPECT_TRUE(bounded.exceeded());
    EXPECT_EQ(bounded.queries(), 1U);
}

}  // namespace
}  // namespace sim
