// SCRAM with the RFCs' own figures, and every mechanism of ours against the other side of ours.
#include "base/base64.hpp"
#include "sasl/client.hpp"
#include "sasl/mechanism_filter.hpp"
#include "sasl/prepare.hpp"
#include "sasl/scram.hpp"
#include "sasl/server.hpp"

#include <gtest/gtest.h>

namespace sasl {
namespace {

using Kind = ServerStep::Kind;

// RFC 7677 §3
TEST(Scram, Rfc7677) {
    const auto client =
        choose({"SCRAM-SHA-256"}, {"user", "pencil"}, {false, {}, "rOprNGfwEbeRWgbNEkqO", "", 0, {}});
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
        choose({"SCRAM-SHA-1"}, {"user", "pencil"}, {false, {}, "fyko+d2lbbFgONRv9qkxdawL", "", 0, {}});
    ASSERT_TRUE(client);
    EXPECT_EQ(*client->respond("r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096"),
              "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=");
    EXPECT_FALSE(client->respond("v=AAAAAAAAAAAAAAAAAAAAAAAAAAA="));
}

TEST(Scram, ServerOfRfc7677) {
    const auto server = make_server("SCRAM-SHA-256", {"%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", "decoy", {}, "", ""});
    auto step = server->start("n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    ASSERT_EQ(step.kind, Kind::LookUp);
    EXPECT_EQ(step.user, "user");
    step = server->on_verifier(
        make_verifier(ScramHash::Sha256, "pencil", *base::base64_decode("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096),
        {});
    EXPECT_EQ(step.challenge,
              "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
    step = server->on_response(
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+"
        "Ute9ytag9zjfMHgsqmmiz7AndVQ=");
    EXPECT_EQ(step.challenge, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    EXPECT_EQ(server->on_response("").kind, Kind::Accepted);
}

// RFC 5802 §5, the server's side
TEST(Scram, ServerOfRfc5802) {
    const auto server = make_server("SCRAM-SHA-1", {"3rfcNHYJY1ZVvWVs7j", "decoy", {}, "", ""});
    ASSERT_EQ(server->start("n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL").kind, Kind::LookUp);
    auto step = server->on_verifier(
        make_verifier(ScramHash::Sha1, "pencil", *base::base64_decode("QSXCR+Q6sek8bf92"), 4096), {});
    EXPECT_EQ(step.challenge, "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096");
    step = server->on_response(
        "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=");
    EXPECT_EQ(step.challenge, "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=");
    EXPECT_EQ(server->on_response("").kind, Kind::Accepted);
    // An exchange is good once: nothing of it can be said again.
    EXPECT_EQ(server->on_response("").kind, Kind::Malformed);
}

constexpr std::string_view token = "eyJhbGciOi.J-~._+/==";
const ChannelBindings over_tls = {{"tls-exporter", std::string("\x01\x00\xff"
                                                               "binding",
                                                               10)},
                                  {"tls-server-end-point", "certificate"}};

Kind exchange(std::string_view name, const Credentials& said, const std::string& user,
              const std::string& password, const ChannelBindings& clients = over_tls,
              const ChannelBindings& servers = over_tls) {
    MechanismRules rules{true, {std::string(name)}, "clientnonce", "h", 25, clients};
    const auto client = choose({std::string(name), "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS"}, said, rules);
    const auto server = make_server(name, {"servernonce", "decoy", servers, "mail", ""});
    EXPECT_TRUE(client && server) << name;
    EXPECT_EQ(client->name(), name);
    EXPECT_EQ(server->name(), name);
    auto step = server->start(client->initial());
    for (int i = 0; i < 10; ++i) {
        if (step.kind == Kind::CheckPassword)
            return step.user == user && step.password == password ? Kind::Accepted : Kind::Refused;
        if (step.kind == Kind::CheckToken) {
            if (step.user == user && step.password == password) return Kind::Accepted;
            step = server->on_token_refused(TokenProblem::InvalidToken);
        } else if (step.kind == Kind::RefusedBefore) {
            return Kind::Refused;
        } else if (step.kind == Kind::LookUp) {
            step = server->on_verifier(step.user == user ? std::optional(make_verifier(
                                                               step.hash, password, "0123456789abcdef", 4096))
                                                         : std::nullopt,
                                       {});
        } else if (step.kind == Kind::Challenge) {
            const auto answer = client->respond(step.challenge);
            if (!answer) return Kind::Malformed;
            step = server->on_response(*answer);
        } else {
            EXPECT_TRUE(step.kind != Kind::Accepted || client->satisfied());
            return step.kind;
        }
    }
    return Kind::Malformed;
}

TEST(Sasl, BothSides) {
    for (const auto& name : server_mechanisms()) {
        const std::string secret(is_bearer(name) ? token : "s3cret");
        EXPECT_EQ(exchange(name, {"a,n=n", secret}, "a,n=n", secret), Kind::Accepted) << name;
        EXPECT_EQ(exchange(name, {"ann", "wrong"}, "ann", secret), Kind::Refused) << name;
        EXPECT_EQ(exchange(name, {"eve", secret}, "ann", secret), Kind::Refused) << name;
    }
}

TEST(Scram, NamesAndPasswordsArePrepared) {
    // Full-width letters, a non-breaking space, a soft hyphen: the same after RFC 4013.
    EXPECT_EQ(exchange("SCRAM-SHA-256", {"\xef\xbd\x81nn", "p\xc2\xa0w\xc2\xad"}, "ann", "p w"),
              Kind::Accepted);
    EXPECT_EQ(make_server("SCRAM-SHA-256", {})
                  ->start("n,,n=a\xe2\x80\x8e"
                          "b,r=x")
                  .kind,
              Kind::Malformed);
}

TEST(Scram, BindsToTheConnection) {
    for (const auto* name : {"SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS"}) {
        auto elsewhere = over_tls;
        elsewhere["tls-exporter"] = "another connection";
        EXPECT_EQ(exchange(name, {"ann", "x"}, "ann", "x", elsewhere), Kind::Refused) << name;
        const ChannelBindings only{{"tls-server-end-point", "certificate"}};
        EXPECT_EQ(exchange(name, {"ann", "x"}, "ann", "x", only), Kind::Accepted) << name;
        EXPECT_EQ(exchange(name, {"ann", "x"}, "ann", "x", over_tls, only), Kind::Refused) << name;
    }
}

// RFC 5802 §6
TEST(Scram, DowngradeIsSeen) {
    const auto start = [](std::string_view name, const std::string& said, const ChannelBindings& bindings) {
        return make_server(name, {"n", "d", bindings, "", ""})->start(said).kind;
    };
    EXPECT_EQ(start("SCRAM-SHA-256", "y,,n=ann,r=x", over_tls), Kind::Refused);
    EXPECT_EQ(start("SCRAM-SHA-256", "y,,n=ann,r=x", {}), Kind::LookUp);
    EXPECT_EQ(start("SCRAM-SHA-256", "n,,n=ann,r=x", over_tls), Kind::LookUp);
    EXPECT_EQ(start("SCRAM-SHA-256", "p=tls-exporter,,n=ann,r=x", over_tls), Kind::Refused);
    EXPECT_EQ(start("SCRAM-SHA-256-PLUS", "n,,n=ann,r=x", over_tls), Kind::Refused);
    EXPECT_EQ(start("SCRAM-SHA-256-PLUS", "y,,n=ann,r=x", over_tls), Kind::Refused);
    EXPECT_EQ(start("SCRAM-SHA-256-PLUS", "p=tls-unique,,n=ann,r=x", over_tls), Kind::Refused);
    EXPECT_EQ(start("SCRAM-SHA-256-PLUS", "p=tls-exporter,,n=ann,r=x", over_tls), Kind::LookUp);
    // What the client says: bound where it can, "y" where only it could, "n" where it was told not to.
    const auto said = [](std::vector<std::string> offered, std::vector<std::string> only) {
        const auto made = choose(offered, {"ann", "x"}, {true, std::move(only), "r", "h", 25, over_tls});
        return made->initial()->substr(0, 15);
    };
    EXPECT_EQ(said({"SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"}, {}), "p=tls-exporter,");
    EXPECT_EQ(said({"SCRAM-SHA-256"}, {}), "y,,n=ann,r=r");
    EXPECT_EQ(said({"SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"}, {"SCRAM-SHA-256"}), "n,,n=ann,r=r");
}

// A client is asked for as much work as it allows, never by whoever answers.
TEST(Scram, ClientRefusesHostileServers) {
    for (const char* challenge :
         {"r=mineother,s=c2FsdA==,i=1000000000", "r=mineother,s=c2FsdA==,i=1",
          "r=mineother,s=c2FsdA==,i=-4096", "r=mine,s=c2FsdA==,i=4096", "r=xmineother,s=c2FsdA==,i=4096",
          "r=mineother,s=,i=4096", "r=mineother,s=????,i=4096", "m=x,r=mineother,s=c2FsdA==,i=4096", "",
          "e=other-error"}) {
        const auto client = choose({"SCRAM-SHA-256"}, {"u", "p"}, {true, {}, "mine", "h", 25, {}});
        client->initial();
        EXPECT_FALSE(client->respond(challenge)) << challenge;
        EXPECT_FALSE(client->satisfied());
    }
}

TEST(Scram, FinalMessageIsStrict) {
    for (const char* final :
         {"c=biws,r=xOTHER,p=AAAA", "c=biws,r=x,p=AAAA", "r=xn,c=biws,p=AAAA", "c=biws,r=xn",
          "c=biws,r=xn,m=1,p=AAAA", "c=????,r=xn,p=AAAA", "c=biws,r=xn,p=?", "p=AAAA", ""}) {
        const auto server = make_server("SCRAM-SHA-256", {"n", "d", {}, "", ""});
        server->start("n,,n=user,r=x");
        server->on_verifier(std::nullopt, {});
        EXPECT_EQ(server->on_response(final).kind, Kind::Malformed) << final;
    }
    const auto server = make_server("SCRAM-SHA-256", {"n", "d", {}, "", ""});
    server->start("n,,n=user,r=x");
    server->on_verifier(std::nullopt, {});
    EXPECT_EQ(server->on_response("c=eSws,r=xn,p=AAAA").kind,
              Kind::Refused);  // another header than it began with
}

TEST(Scram, UnknownUsersLookLikeKnownOnes) {
    const auto first = [](const std::string& user, const std::string& decoy) {
        const auto server = make_server("SCRAM-SHA-256", {"n", decoy, {}, "", ""});
        server->start("n,,n=" + user + ",r=x");
        return server->on_verifier(std::nullopt, {10000, 40}).challenge;
    };
    EXPECT_EQ(first("eve", "secret"), first("Eve", "secret"));
    EXPECT_NE(first("eve", "secret"), first("adam", "secret"));
    EXPECT_NE(first("eve", "secret"), first("eve", "other"));
    const std::string message = first("eve", "secret");
    EXPECT_EQ(base::base64_decode(*attribute(message, 's'))->size(), 40U);
    EXPECT_TRUE(message.ends_with(",i=10000"));
}

// RFC 7628 §3.1 and §4.1
TEST(Bearer, Messages) {
    const std::string example =
        "n,a=user@example.com,\x01host=server.example.com\x01port=143\x01"
        "auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01";
    auto step = make_server("OAUTHBEARER", {})->start(example);
    ASSERT_EQ(step.kind, Kind::CheckToken);
    EXPECT_EQ(step.user, "user@example.com");
    EXPECT_EQ(step.password, "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==");
    for (const char* bad : {"", "n,,", "n,,\x01", "n,,\x01\x01", "n,,\x01host=h\x01\x01",
                            "n,,\x01"
                            "auth=Basic abc\x01\x01",
                            "n,,\x01"
                            "auth=Bearer a b\x01\x01",
                            "n,,\x01"
                            "auth=Bearer abc\x01",
                            "n,,\x01"
                            "auth=Bearer abc",
                            "p=tls-unique,,\x01"
                            "auth=Bearer abc\x01\x01",
                            "n,a=,\x01"
                            "auth=Bearer abc\x01\x01",
                            "n,,\x01"
                            "auth=Bearer a\x01"
                            "auth=Bearer b\x01\x01",
                            "n,,\x01=x\x01"
                            "auth=Bearer a\x01\x01",
                            "auth=Bearer abc\x01\x01"})
        EXPECT_EQ(make_server("OAUTHBEARER", {})->start(bad).kind, Kind::Malformed) << bad;
    step = make_server("XOAUTH2", {})
               ->start(
                   "user=ann@example.org\x01"
                   "auth=bearer abc\x01\x01");
    ASSERT_EQ(step.kind, Kind::CheckToken);
    EXPECT_EQ(step.user, "ann@example.org");
    for (const char* bad : {"auth=Bearer abc\x01\x01", "user=ann\x01\x01",
                            "user=\x01"
                            "auth=Bearer a\x01\x01"})
        EXPECT_EQ(make_server("XOAUTH2", {})->start(bad).kind, Kind::Malformed) << bad;
}

// RFC 7628 §3.2.2, §3.2.3
TEST(Bearer, ErrorAndDummyResponse) {
    const auto server = make_server("OAUTHBEARER", {"", "", {}, "mail", "https://id.example/.well-known/x"});
    ASSERT_EQ(server
                  ->start("n,,\x01"
                          "auth=Bearer abc\x01\x01")
                  .kind,
              Kind::CheckToken);
    const auto step = server->on_token_refused(TokenProblem::InsufficientScope);
    EXPECT_EQ(
        step.challenge,
        R"({"status":"insufficient_scope","scope":"mail","openid-configuration":"https://id.example/.well-known/x"})");
    EXPECT_EQ(server->on_response("\x01").kind, Kind::RefusedBefore);
    // Without a token: the client asks where to get one (§4.3).
    EXPECT_EQ(make_server("OAUTHBEARER", {})
                  ->start("n,,\x01"
                          "auth=\x01\x01")
                  .challenge,
              R"({"status":"invalid_token"})");
}

TEST(Sasl, ServerRefusesNonsense) {
    const std::pair<const char*, std::string> cases[] = {
        {"PLAIN", "ann"},
        {"PLAIN", std::string("\0ann", 4)},
        {"PLAIN", std::string("\0ann\0", 5)},
        {"PLAIN", std::string("\0\0secret", 8)},
        {"PLAIN", std::string("\0a\nb\0secret", 11)},
        {"PLAIN", std::string("\0a\0b\0c", 6)},
        {"PLAIN", std::string("\0a\xff\0secret", 10)},
        {"SCRAM-SHA-256", ""},
        {"SCRAM-SHA-256", "n,,n=us=er,r=x"},
        {"SCRAM-SHA-256", "n,,r=x,n=user"},
        {"SCRAM-SHA-256", "n,,n=user"},
        {"SCRAM-SHA-256", "n,,n=user,r="},
        {"SCRAM-SHA-256", "n,,n=user,r=a b"},
        {"SCRAM-SHA-256", "x,,n=user,r=x"},
        {"SCRAM-SHA-256", "n,b=c,n=user,r=x"},
        {"SCRAM-SHA-256", "n,,m=ext,n=user,r=x"},
        {"SCRAM-SHA-256", "n,,n=user,r=x,m=ext"},
        {"SCRAM-SHA-256", "n,,n=,r=x"},
    };
    for (const auto& [name, text] : cases)
        EXPECT_EQ(make_server(name, {"n", "d", {}, "", ""})->start(text).kind, Kind::Malformed)
            << name << " " << text;
    EXPECT_FALSE(make_server("DIGEST-MD5", {}));
}

// RFC 4013 §3
TEST(Prepare, ExamplesOfTheRfc) {
    EXPECT_EQ(prepared("I\xc2\xadX"), "IX");
    EXPECT_EQ(prepared("user"), "user");
    EXPECT_EQ(prepared("USER"), "USER");
    EXPECT_EQ(prepared("\xc2\xaa"), "a");
    EXPECT_EQ(prepared("\xe2\x85\xa8"), "IX");
    EXPECT_EQ(prepared("\x07"), std::nullopt);
    EXPECT_EQ(prepared("\xd8\xa7\x31"), std::nullopt);
    for (const std::string& bad :
         {std::string(), std::string("\xff"), std::string("a\0b", 3), std::string(5000, 'a')})
        EXPECT_EQ(prepared(bad), std::nullopt);
    EXPECT_EQ(prepared("\xc8\xa1", PrepareFor::Stored), std::nullopt);  // U+0221: not assigned in Unicode 3.2
    EXPECT_TRUE(prepared("\xc8\xa1", PrepareFor::Query));
    EXPECT_EQ(prepared_or_same("\xff"), "\xff");
}

TEST(MechanismFilter, SecurityOptions) {
    using Names = std::vector<std::string>;
    const Names all{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-1", "PLAIN", "LOGIN", "OAUTHBEARER"};
    EXPECT_EQ(with_security(all, {}), all);
    EXPECT_EQ(with_security(all, {"noanonymous"}), all);
    EXPECT_EQ(with_security(all, {"noanonymous", "noplaintext"}),
              (Names{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-1"}));
    EXPECT_EQ(with_security(all, {"mutual_auth"}), (Names{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-1"}));
    EXPECT_EQ(with_security(all, {"noactive"}), (Names{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-1"}));
    EXPECT_EQ(with_security(all, {"NoDictionary"}), Names{"OAUTHBEARER"});
    EXPECT_EQ(with_security(all, {"forward_secrecy"}), Names{});
    EXPECT_FALSE(with_security(all, {"noplaintxt"}));
}

TEST(MechanismFilter, FirstMatchDecides) {
    using Names = std::vector<std::string>;
    const Names all{"SCRAM-SHA-256", "PLAIN", "LOGIN"};
    EXPECT_EQ(filtered(all, {}), all);
    EXPECT_EQ(filtered(all, {"!external", "static:rest"}), all);  // Postfix's default
    EXPECT_EQ(filtered(all, {"!login", "static:rest"}), (Names{"SCRAM-SHA-256", "PLAIN"}));
    EXPECT_EQ(filtered(all, {"plain", "login"}), (Names{"PLAIN", "LOGIN"}));
    EXPECT_EQ(filtered(all, {"!plain"}), (Names{"SCRAM-SHA-256", "LOGIN"}));
    EXPECT_EQ(filtered(all, {"!static:all"}), Names{});
    EXPECT_FALSE(filtered(all, {"pcre:/x"}));
}

TEST(Sasl, ChoosesTheBestThatMayBeUsed) {
    const std::vector<std::string> all{"PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256", "XOAUTH2"};
    const auto name = [&](const std::vector<std::string>& offered, bool tls, std::vector<std::string> only) {
        const auto made = choose(offered, {"u", "p"}, {tls, std::move(only), "n", "h", 25, {}});
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
