// What must not pass for a chain, and where nothing may be sealed (RFC 8617 §4.2, §5.1, §5.2).
#include "arc/chain.hpp"
#include "arc/sealer.hpp"
#include "base/text.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <map>

namespace arc {
namespace {

const dkim::PrivateKey& key() {
    static const dkim::PrivateKey one = *dkim::PrivateKey::parse(dkim::generate_key_pem(1024));
    return one;
}

/// One key at every name; some fail.
class Keys : public env::Resolver {
 public:
    env::Task<env::DnsAnswer> query(dns::Name name, dns::Type) override {
        ++questions;
        env::DnsAnswer out;
        out.status = name.text().ends_with("broken.example") ? env::DnsAnswer::Status::ServFail
                                                             : env::DnsAnswer::Status::Ok;
        if (out.ok()) out.records.push_back(dns::Txt{{"v=DKIM1; p=" + key().public_record_value()}});
        co_return out;
    }
    std::size_t questions = 0;
};

constexpr std::string_view message = "From: ann@example.org\r\nTo: list@lists.example\r\nSubject: hello\r\n";
constexpr std::string_view body = "A line.\r\n";

std::string seal(const std::string& header, ChainStatus status, const std::string& domain = "lists.example",
                 std::string_view text = body) {
    SealOptions how;
    how.domain = domain;
    how.selector = "s";
    how.authserv_id = "mx." + domain;
    how.timestamp = 1'800'000'000;
    Sealer sealer(how, header);
    sealer.body(text);
    return sealer.seal(key(), status, "dmarc=pass header.from=example.org");
}

std::string chain(unsigned sets) {
    std::string out(message);
    for (unsigned i = 0; i < sets; ++i)
        out = seal(out, i == 0 ? ChainStatus::None : ChainStatus::Pass, fmt::format("s{}.example", i)) + out;
    return out;
}

ChainResult verify(const std::string& header, std::string_view text = body, Limits limits = {}) {
    Keys keys;
    ChainVerifier verifier(header, limits);
    verifier.body(text);
    auto out = env::run_now(verifier.finish(keys));
    EXPECT_LE(keys.questions, 2U * limits.instances_max);
    return out;
}

std::string replaced(std::string text, std::string_view what, std::string_view by) {
    const auto at = text.find(what);
    EXPECT_NE(at, std::string::npos) << what;
    return at == std::string::npos ? text : text.replace(at, what.size(), by);
}

TEST(HostileChain, TheHonestOnesHold) {
    for (const unsigned sets : {1U, 2U, 50U}) {
        const auto got = verify(chain(sets));
        EXPECT_EQ(got.status, ChainStatus::Pass) << sets << ": " << got.reason;
        EXPECT_EQ(got.instances, sets);
        EXPECT_EQ(got.sealers.back(), fmt::format("s{}.example", sets - 1));
        EXPECT_TRUE(got.newest_results.starts_with(fmt::format("mx.s{}.example; dmarc=pass", sets - 1)));
    }
}

TEST(HostileChain, WhatIsNone) {
    const std::string two = chain(2);
    const auto last_set = chain(1);  // sets of one
    const std::string doubled = two.substr(0, two.find("ARC-Message-Signature")) + two;
    struct Case {
        const char* what;
        std::string header;
    };
    for (const auto& [what, header] :
         {Case{"instance 0", replaced(last_set, "i=1;", "i=0;")},
          Case{"instance 51", replaced(last_set, "i=1;", "i=51;")},
          Case{"a huge instance", replaced(last_set, "i=1;", "i=99999999999999999999;")},
          Case{"no instance", replaced(last_set, "i=1; ", "")},
          Case{"a gap", replaced(replaced(two, "i=2;", "i=3;"), "i=2;", "i=3;")},
          Case{"a seal twice", doubled}, Case{"no seal", "ARC-X" + two.substr(3)},
          Case{"results missing", replaced(two, "ARC-Authentication-Results: i=2", "X-Results: i=2")},
          Case{"the first says pass", replaced(last_set, "cv=none", "cv=pass")},
          Case{"the second says none", replaced(two, "cv=pass", "cv=none")},
          Case{"the first says fail", replaced(last_set, "cv=none", "cv=fail")},
          Case{"pass above a fail", replaced(two, "cv=none", "cv=fail")},
          Case{"an unknown word", replaced(two, "cv=pass", "cv=maybe")},
          Case{"a seal with h=", replaced(last_set, "cv=none;", "cv=none; h=from;")},
          Case{"a message signature over the seal", replaced(last_set, " h=", " h=arc-seal:")},
          Case{"another's domain", replaced(two, "d=s0.example", "d=s9.example")},
          Case{"the sets of another message",
               chain(1).substr(0, chain(1).size() - message.size()) + "From: boss@victim.example\r\n"}}) {
        const auto got = verify(header);
        EXPECT_EQ(got.status, ChainStatus::Fail) << what;
        EXPECT_FALSE(got.reason.empty()) << what;
    }
    std::string flood;
    for (int i = 1; i <= 200; ++i)
        flood += fmt::format(
            "ARC-Seal: i={0}; a=x\r\nARC-Message-Signature: i={0}\r\nARC-Authentication-Results: i={0}; "
            "x\r\n",
            i);
    EXPECT_EQ(verify(flood + std::string(message)).status, ChainStatus::Fail);
}

TEST(HostileChain, KeysThatCannotBeHad) {
    const std::string header =
        seal(std::string(message), ChainStatus::None, "broken.example") + std::string(message);
    EXPECT_EQ(verify(header).status, ChainStatus::TempError);
    Limits strict;
    strict.rsa_bits_min = 2048;
    EXPECT_EQ(verify(chain(1), body, strict).status, ChainStatus::Fail);
}

TEST(Sealer, OnlyWhereItMay) {
    const std::string one = chain(1);
    // §5.1.2: a failed chain gets a last set, which signs itself alone.
    const std::string failed = seal(one, ChainStatus::Fail);
    EXPECT_NE(failed.find("cv=fail"), std::string::npos);
    EXPECT_NE(failed.find("i=2;"), std::string::npos);
    EXPECT_EQ(verify(failed + one).status, ChainStatus::Fail);
    // §5.1 step 2: and nothing more.
    EXPECT_EQ(seal(failed + one, ChainStatus::Fail), "");
    EXPECT_EQ(seal(failed + one, ChainStatus::Pass), "");
    // What cannot be numbered, is full, or could not be checked for now.
    EXPECT_EQ(seal(one.substr(0, one.find("ARC-Message-Signature")) + one, ChainStatus::Fail), "");
    EXPECT_EQ(seal(chain(50), ChainStatus::Pass), "");
    EXPECT_EQ(seal(one, ChainStatus::TempError), "");
    // A chain that nobody looked at is not vouched for; no chain is none, whatever is said.
    EXPECT_NE(seal(one, ChainStatus::None).find("cv=fail"), std::string::npos);
    EXPECT_NE(seal(std::string(message), ChainStatus::Pass).find("cv=none"), std::string::npos);
}

}  // namespace
}  // namespace arc
