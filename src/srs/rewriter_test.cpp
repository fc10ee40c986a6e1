#include "srs/rewriter.hpp"

#include "base/text.hpp"

#include <gtest/gtest.h>

namespace srs {
namespace {

constexpr std::uint64_t day = 86400, now = 1'800'000'000;

Rules rules(std::vector<std::string> secrets = {"first secret"}) {
    Rules out;
    out.domain = "fwd.example";
    out.secrets = std::move(secrets);
    return out;
}

mail::Address address(std::string local_part, std::string domain) {
    return {std::move(local_part), std::move(domain)};
}

TEST(Rewriter, WritesWhatOthersWrite) {
    // Made with Mail::SRS 0.31: Secret => "first secret", at Unix time 1800000000.
    const Rewriter rewriter(rules());
    const auto once = rewriter.forward(address("ann", "example.org"), now);
    ASSERT_TRUE(once.has_value());
    EXPECT_EQ(once->text(), "SRS0=8I7J=LB=example.org=ann@fwd.example");
    auto other = rules();
    other.domain = "second.example";
    const auto twice = Rewriter(other).forward(*once, now);
    ASSERT_TRUE(twice.has_value());
    EXPECT_EQ(twice->text(), "SRS1=wDnI=fwd.example==8I7J=LB=example.org=ann@second.example");
    // A third forwarder keeps the first, and only that.
    other.domain = "third.example";
    const auto thrice = Rewriter(other).forward(*twice, now);
    ASSERT_TRUE(thrice.has_value());
    EXPECT_EQ(thrice->local_part, twice->local_part);
    EXPECT_EQ(Rewriter(other).reverse(*thrice, now), *once);
}

TEST(Rewriter, ComesBack) {
    const Rewriter rewriter(rules());
    for (const auto& sender :
         {address("ann", "example.org"), address("Ann.B", "Example.ORG"), address("a b", "example.org"),
          address("x=y=z", "example.org"), address("bounces+1-ab=c", "example.org"),
          address("SRS0", "example.org"), address("srs0x", "example.org"),
          address("SRS0=a=b=c=d", "example.org"), address("srs1-a=b=c", "example.org"),
          address("SRS1=a=b", "example.org"), address("\xc3\xa4", "example.org")}) {
        auto there = rewriter.forward(sender, now);
        ASSERT_TRUE(there.has_value()) << sender.text();
        EXPECT_TRUE(rewriter.is_ours(*there));
        EXPECT_LE(there->local_part.size(), 64U);
        auto back = rewriter.reverse(*there, now + 21 * day);
        ASSERT_TRUE(back.has_value()) << there->text();
        // Of the first rewriter's hash in a foreign SRS1 nothing is kept.
        const bool whole = !sender.local_part.starts_with("srs1-");
        EXPECT_EQ(*back == sender, whole) << back->text();
        // Letters that changed their case on the way (RFC 5321 §2.4 forbids it; it happens).
        there->local_part = base::lower(there->local_part);
        there->domain = "FWD.Example";
        back = rewriter.reverse(*there, now);
        ASSERT_TRUE(back.has_value()) << there->text();
        EXPECT_EQ(base::iequals(back->text(), sender.text()), whole) << back->text();
    }
}

TEST(Rewriter, Separators) {
    auto plus = rules();
    plus.separator = '+';
    const auto there = Rewriter(plus).forward(address("ann", "example.org"), now);
    EXPECT_TRUE(there->local_part.starts_with("SRS0+"));
    EXPECT_EQ(Rewriter(rules()).reverse(*there, now), address("ann", "example.org"));
    // The separator of an inner address is part of it.
    auto outer = rules();
    outer.domain = "second.example";
    const auto twice = Rewriter(outer).forward(*there, now);
    EXPECT_NE(twice->local_part.find("=fwd.example=+"), std::string::npos);
    EXPECT_EQ(Rewriter(outer).reverse(*twice, now), *there);
}

TEST(Rewriter, RefusesWhatIsForged) {
    const Rewriter rewriter(rules());
    const auto there = *rewriter.forward(address("ann", "example.org"), now);
    const auto with = [&](std::size_t at, char c) {
        auto out = there;
        out.local_part[at] = out.local_part[at] == c ? 'q' : c;
        return out;
    };
    for (const auto& [wrong, error] :
         {std::pair{with(5, 'x'), Error::BadHash},
          {with(8, 'x'), Error::BadHash},
          {with(10, 'B'), Error::BadHash},
          {with(14, 'f'), Error::BadHash},
          {address("SRS0=", "fwd.example"), Error::BadHash},
          {address("SRS0====", "fwd.example"), Error::BadHash},
          {address("SRS0=abcd=ab=x", "fwd.example"), Error::BadHash},
          {address("SRS0=abc=AA=example.org=ann", "fwd.example"), Error::BadHash},
          {address("SRS0==AA=example.org=ann", "fwd.example"), Error::BadHash},
          {address("SRS1=abcd=example.org=x", "fwd.example"), Error::BadHash},
          {address("SRS1=abcd", "fwd.example"), Error::BadHash},
          {address("SRS0", "fwd.example"), Error::NotRewritten},
          {address("SRS2=abcd=example.org=x", "fwd.example"), Error::NotRewritten},
          {address(there.local_part, "other.example"), Error::NotRewritten}}) {
        const auto got = rewriter.reverse(wrong, now);
        ASSERT_FALSE(got.has_value()) << wrong.text();
        EXPECT_EQ(to_text(got.error()), to_text(error)) << wrong.text();
    }
}

TEST(Rewriter, Ages) {
    const Rewriter rewriter(rules());
    for (const auto then : {now, now - now % (1024 * day) - day, std::uint64_t{0}}) {
        const auto there = *rewriter.forward(address("ann", "example.org"), then);
        EXPECT_TRUE(rewriter.reverse(there, then + 21 * day).has_value());
        EXPECT_EQ(rewriter.reverse(there, then + 22 * day), std::unexpected(Error::Expired));
    }
    // From tomorrow: no clock of ours wrote it.
    const auto there = *rewriter.forward(address("ann", "example.org"), now + day);
    EXPECT_EQ(rewriter.reverse(there, now), std::unexpected(Error::Expired));
}

TEST(Rewriter, SecretsRotate) {
    const auto sender = address("ann", "example.org");
    const auto old_one = *Rewriter(rules()).forward(sender, now);
    const Rewriter both(rules({"second secret", "first secret"}));
    EXPECT_EQ(both.reverse(old_one, now), sender);
    const auto new_one = *both.forward(sender, now);
    EXPECT_NE(new_one.local_part, old_one.local_part);
    EXPECT_EQ(Rewriter(rules({"second secret"})).reverse(new_one, now), sender);
    EXPECT_EQ(Rewriter(rules({"second secret"})).reverse(old_one, now), std::unexpected(Error::BadHash));
}

TEST(Rewriter, LongAddresses) {
    const Rewriter rewriter(rules());
    const std::size_t room = 64 - std::string("SRS0=hhhh=tt=example.org=").size();
    EXPECT_TRUE(rewriter.forward(address(std::string(room, 'a'), "example.org"), now).has_value());
    EXPECT_EQ(rewriter.forward(address(std::string(room + 1, 'a'), "example.org"), now),
              std::unexpected(Error::TooLong));
    EXPECT_EQ(rewriter.forward(address("ann", ""), now), std::unexpected(Error::NotRewritten));
    auto longer = rules();
    longer.hash_octets = 10;
    const auto there = *Rewriter(longer).forward(address("ann", "example.org"), now);
    EXPECT_EQ(there.local_part.find('=', 5), 15U);
    EXPECT_TRUE(rewriter.reverse(there, now).has_value());
    auto strict = rules();
    strict.hash_octets_min = 10;
    EXPECT_FALSE(
        Rewriter(strict).reverse(*rewriter.forward(address("ann", "example.org"), now), now).has_value());
}

}  // namespace
}  // namespace srs
