// Where we may seal, and how (RFC 8617 §5.1).
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

TEST(Sealer, WhereTheKeyCannotBeHad) {
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
