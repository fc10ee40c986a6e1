// SCRAM with the RFCs' own figures, and every mechanism of ours against the other side of ours.
#include "base/base64.hpp"
#include "sasl/client.hpp"
#include "sasl/scram.hpp"
#include "sasl/server.hpp"

#include <gtest/gtest.h>

namespace sasl {
namespace {

using Kind = ServerStep::Kind;

// RFC 7677 §3
TEST(Scram, Rfc7677) {
    const auto client =
        choose({"SCRAM-SHA-256"}, {"user", "pencil"}, {false, {}, "rOprNGfwEbeRWgbNEkqO", "", 0});
    ASSERT_TRUE(client);
    EXPECT_EQ(*client->initial(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    EXPECT_EQ(*client->respond(
                  "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"),
              "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
              "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
    EXPECT_FALSE(client->satisfied());
    EXPECT_TRUE(client->respond("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
    EXPECT_TRUE(client->satisfied());
}

// RFC 5802 §5
TEST(Scram, Rfc5802) {
    const auto client =
        choose({"SCRAM-SHA-1"}, {"user", "pencil"}, {false, {}, "fyko+d2lbbFgONRv9qkxdawL", "", 0});
    ASSERT_TRUE(client);
    EXPECT_EQ(*client->respond("r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096"),
              "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=");
    EXPECT_FALSE(client->respond("v=AAAAAAAAAAAAAAAAAAAAAAAAAAA="));
}

TEST(Scram, ServerOfRfc7677) {
    const auto server = make_server("SCRAM-SHA-256", "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", "decoy");
    auto step = server->start("n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    ASSERT_EQ(step.kind, Kind::LookUp);
    EXPECT_EQ(step.user, "user");
    step = server->on_verifier(
        make_verifier(ScramHash::Sha256, "pencil", *base::base64_decode("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096));
    EXPECT_EQ(step.challenge,
              "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
    step = server->on_response(
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+"
        "Ute9ytag9zjfMHgsqmmiz7AndVQ=");
    EXPECT_EQ(step.challenge, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    EXPECT_EQ(server->on_response("").kind, Kind::Accepted);
}

Kind exchange(std::string_view name, const Credentials& said, const std::string& user,
              const std::string& password) {
    const auto client = choose({std::string(name)}, said, {true, {}, "clientnonce", "h", 25});
    const auto server = make_server(name, "servernonce", "decoy");
    EXPECT_TRUE(client && server);
    auto step = server->start(client->initial());
    for (int i = 0; i < 10; ++i) {
        if (step.kind == Kind::CheckPassword)
            return step.user == user && step.password == password ? Kind::Accepted : Kind::Refused;
        if (step.kind == Kind::LookUp)
            step = server->on_verifier(step.user == user ? std::optional(make_verifier(
                                                               step.hash, password, "0123456789abcdef", 4096))
                                                         : std::nullopt);
        else if (step.kind == Kind::Challenge) {
            const auto answer = client->respond(step.challenge);
            if (!answer) return Kind::Malformed;
            step = server->on_response(*answer);
        } else
            return step.kind;
    }
    return Kind::Malformed;
}

TEST(Sasl, BothSides) {
    for (const auto& name : server_mechanisms()) {
        EXPECT_EQ(exchange(name, {"a,n=n", "s3cret"}, "a,n=n", "s3cret"), Kind::Accepted) << name;
        EXPECT_EQ(exchange(name, {"ann", "wrong"}, "ann", "s3cret"), Kind::Refused) << name;
        EXPECT_EQ(exchange(name, {"eve", "s3cret"}, "ann", "s3cret"), Kind::Refused) << name;
    }
}

TEST(Sasl, ServerRefusesNonsense) {
    const std::pair<const char*, std::string> cases[] = {
        {"PLAIN", "ann"},
        {"PLAIN", std::string("\0ann", 4)},
        {"PLAIN", std::string("\0\0secret", 8)},
        {"PLAIN", std::string("\0a\nb\0secret", 11)},
        {"PLAIN", std::string("\0a\0b\0c", 6)},
        {"SCRAM-SHA-256", ""},
        {"SCRAM-SHA-256", "p=tls-unique,,n=user,r=x"},
        {"SCRAM-SHA-256", "n,,n=us=er,r=x"},
        {"SCRAM-SHA-256", "n,,r=x,n=user"},
        {"SCRAM-SHA-256", "n,,n=user"},
        {"SCRAM-SHA-256", "n,,m=ext,n=user,r=x"},
    };
    for (const auto& [name, text] : cases)
        EXPECT_EQ(make_server(name, "n", "d")->start(text).kind, Kind::Malformed) << name << " " << text;
    EXPECT_FALSE(make_server("DIGEST-MD5", "", ""));
}

TEST(Sasl, ChoosesTheBestThatMayBeUsed) {
    const std::vector<std::string> all{"PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256", "XOAUTH2"};
    const auto name = [&](const std::vector<std::string>& offered, bool tls, std::vector<std::string> only) {
        const auto made = choose(offered, {"u", "p"}, {tls, std::move(only), "n", "h", 25});
        return made ? std::string(made->name()) : std::string();
    };
    EXPECT_EQ(name(all, true, {}), "SCRAM-SHA-256");
    EXPECT_EQ(name(all, true, {"plain", "login"}), "PLAIN");
    EXPECT_EQ(name(all, true, {"!scram-sha-256"}), "CRAM-MD5");
    EXPECT_EQ(name(all, true, {"xoauth2"}), "XOAUTH2");
    EXPECT_EQ(name(all, false, {"xoauth2"}), "");
    EXPECT_EQ(name({"PLAIN", "LOGIN"}, false, {}), "");
    EXPECT_EQ(name({"plain"}, true, {}), "PLAIN");
    EXPECT_EQ(name({"GSSAPI"}, true, {}), "");
}

}  // namespace
}  // namespace sasl
