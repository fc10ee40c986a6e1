// Logging in, as conversations (RFC 4954).
#include "base/base64.hpp"
#include "smtp/server_session_driver.hpp"

namespace smtp {
namespace {

TEST(ServerSession, Auth) {
    const auto offer =
        std::make_shared<AuthOffer>(AuthOffer{{"SCRAM-SHA-256"}, {"PLAIN", "LOGIN"}, "decoy", false});
    Driver driver(TlsOffer::Offered);
    driver.session.offer_auth(offer, "nonce");
    expect({{"AUTH PLAIN", 503}, {"EHLO c.example", 250}}, driver);
    EXPECT_NE(driver.say("EHLO c.example").find("AUTH SCRAM-SHA-256\r\n"), std::string::npos);
    expect({{"AUTH PLAIN AGFubgBzZWNyZXQ=", 538},
            {"AUTH GSSAPI", 504},
            {"AUTH", 501},
            {"AUTH SCRAM-SHA-256 !!!", 501},
            {"AUTH SCRAM-SHA-256 biwsbj11c2VyLHI9eA==", 334},
            {"*", 501},
            {"STARTTLS", 220},
            {"EHLO c.example", 250},
            {"AUTH PLAIN AGFubgB3cm9uZw==", 535},
            {"AUTH PLAIN AGFubgBsYXRlcg==", 454},
            {"AUTH PLAIN YWRtaW4AYW5uAHNlY3JldA==", 535},  // to act as another
            {"AUTH PLAIN YW5u", 501},
            {"AUTH LOGIN", 334},
            {"YW5u", 334},
            {"c2VjcmV0", 235},
            {"AUTH PLAIN AGFubgBzZWNyZXQ=", 503}},
           driver);
    EXPECT_EQ(driver.session.user(), "ann");
    EXPECT_EQ(driver.session.auth_method(), "LOGIN");
    EXPECT_EQ(driver.say("EHLO again").find("AUTH"), std::string::npos);
    expect({{"MAIL FROM:<a@example.org> AUTH=ann@example.org", 250}}, driver);
    EXPECT_EQ(driver.session.user(), "ann");
}

TEST(ServerSession, AuthWhereTlsIsRequired) {
    Driver driver(TlsOffer::Required);
    driver.session.offer_auth(std::make_shared<AuthOffer>(AuthOffer{{}, {"PLAIN"}, "decoy", false}), "seed");
    EXPECT_EQ(driver.say("EHLO c.example").find("AUTH"), std::string::npos);
    expect({{"MAIL FROM:<a@example.org>", 530},
            {"AUTH PLAIN AGFubgBzZWNyZXQ=", 538},
            {"STARTTLS", 220},
            {"EHLO c.example", 250},
            {"MAIL FROM:<a@example.org>", 250},
            {"AUTH PLAIN AGFubgBzZWNyZXQ=", 503},
            {"RSET", 250},
            {"AUTH PLAIN AGFubgBzZWNyZXQ=", 235}},
           driver);
}

TEST(ServerSession, BoundMechanismsNeedBindings) {
    const auto offer = std::make_shared<AuthOffer>(
        AuthOffer{{"SCRAM-SHA-256"}, {"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"}, "decoy", false});
    Driver without(TlsOffer::Offered), with(TlsOffer::Offered);
    with.bindings = {{"tls-exporter", "octets"}};
    for (auto* driver : {&without, &with}) {
        driver->session.offer_auth(offer, "seed");
        expect({{"EHLO c.example", 250},
                {"AUTH SCRAM-SHA-256-PLUS", 538},
                {"STARTTLS", 220},
                {"EHLO c.example", 250}},
               *driver);
    }
    expect({{"AUTH SCRAM-SHA-256-PLUS", 504}, {"AUTH SCRAM-SHA-256 eSwsbj1hbm4scj14", 334}, {"*", 501}},
           without);
    EXPECT_NE(with.say("EHLO c.example").find("AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256\r\n"),
              std::string::npos);
    // "y,,n=ann,r=x": the client did not see the offer (RFC 5802 §6).
    EXPECT_EQ(with.say("AUTH SCRAM-SHA-256 eSwsbj1hbm4scj14"), "535 5.7.8 Error: authentication failed\r\n");
    EXPECT_EQ(with.session.take_refused(), "SCRAM-SHA-256");
    EXPECT_EQ(with.session.take_refused(), "");
    // Each exchange has a nonce of its own.
    EXPECT_NE(with.say("AUTH SCRAM-SHA-256 biwsbj1hbm4scj14"),
              (with.say("*"), with.say("AUTH SCRAM-SHA-256 biwsbj1hbm4scj14")));
}

TEST(ServerSession, TokensAndTheirErrors) {
    Driver driver;
    driver.session.offer_auth(
        std::make_shared<AuthOffer>(AuthOffer{{"OAUTHBEARER", "XOAUTH2"}, {}, "decoy", false, "mail", ""}),
        "seed");
    const auto ask = [](std::string_view mechanism, std::string_view text) {
        return "AUTH " + std::string(mechanism) + " " + base::base64_encode(text);
    };
    EXPECT_EQ(driver.code("EHLO c.example"), 250);
    const std::string wrong = ask("OAUTHBEARER",
                                  "n,a=ann,\x01"
                                  "auth=Bearer wrong\x01\x01");
    EXPECT_EQ(driver.say(wrong),
              "334 " + base::base64_encode(R"({"status":"invalid_token","scope":"mail"})") + "\r\n");
    EXPECT_EQ(driver.say("AQ=="), "535 5.7.8 Error: authentication failed\r\n");
    EXPECT_EQ(driver.session.take_refused(), "");  // counted when the token was judged
    EXPECT_EQ(driver.code(ask("XOAUTH2",
                              "user=ann\x01"
                              "auth=Bearer wrong\x01\x01")),
              334);
    EXPECT_EQ(driver.code(""), 535);
    EXPECT_EQ(driver.code(ask("OAUTHBEARER", "nonsense")), 501);
    EXPECT_EQ(driver.code(ask("XOAUTH2",
                              "user=ann\x01"
                              "auth=Bearer secret\x01\x01")),
              235);
    EXPECT_EQ(driver.session.user(), "ann");
}

// RFC 4954 §4
TEST(ServerSession, AuthLinesMayBeLong) {
    Driver driver;
    driver.session.offer_auth(std::make_shared<AuthOffer>(AuthOffer{{"PLAIN"}, {}, "decoy", false}), "seed");
    EXPECT_EQ(driver.code("EHLO c.example"), 250);
    EXPECT_EQ(driver.say("AUTH PLAIN " + std::string(12000, 'A')),
              "501 5.5.2 Error: malformed authentication response\r\n");
    EXPECT_EQ(driver.code("AUTH PLAIN " + std::string(12300, 'A')), 500);
    EXPECT_EQ(driver.code("AUTH PLAIN"), 334);
    EXPECT_EQ(driver.say(std::string(12289, 'A')), "500 5.5.6 Error: response too long\r\n");
    EXPECT_EQ(driver.code("AUTH PLAIN ="), 501);
    EXPECT_EQ(driver.code("AUTH PLAIN"), 334);
    driver.output.clear();
    EXPECT_EQ(driver.session.on_line_too_long().output, "500 5.5.6 Error: response too long\r\n");
    EXPECT_EQ(driver.code("NOOP"), 250);  // the exchange is over
}

}  // namespace
}  // namespace smtp
