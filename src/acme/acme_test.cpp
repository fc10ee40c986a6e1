// The protocol against a scripted authority, keys and signatures against OpenSSL itself, the schedule as
// tables.
#include "acme/certificate.hpp"
#include "acme/certificate_folder.hpp"
#include "acme/challenge_server.hpp"
#include "acme/jws.hpp"
#include "acme/options.hpp"
#include "acme/order_session.hpp"
#include "acme/schedule.hpp"
#include "base/base64.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <openssl/evp.h>

namespace acme {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

env::HttpResponse answer(int status, std::string body,
                         std::vector<std::pair<std::string, std::string>> more = {}) {
    more.emplace_back("replay-nonce", "fresh");
    return {status, std::move(more), std::move(body)};
}

constexpr const char* directory_json =
    R"({"newNonce":"https://ca/n","newAccount":"https://ca/a","newOrder":"https://ca/o","meta":{"termsOfService":"https://ca/tos"}})";

std::string order_json(const char* status, const char* extra = "") {
    return fmt::format(
        R"({{"status":"{}","finalize":"https://ca/f","authorizations":["https://ca/z1","https://ca/z2"]{}}})",
        status, extra);
}
std::string authorization_json(const char* name, const char* status) {
    return fmt::format(
        R"({{"status":"{}","identifier":{{"type":"dns","value":"{}"}},"challenges":[)"
        R"({{"type":"dns-01","url":"https://ca/c/dns","token":"t0"}},)"
        R"({{"type":"http-01","url":"https://ca/c/{}","token":"tok-{}","error":{{"type":"urn:ietf:params:acme:error:dns","detail":"no address"}}}}]}})",
        status, name, name, std::string(name).substr(0, 1));
}

OrderSettings settings() {
    OrderSettings out;
    out.directory_url = "https://ca/dir";
    out.names = {"a.example", "b.example"};
    out.contacts = {"mailto:me@example.org"};
    out.terms = OrderSettings::Terms::Agreed;
    out.request_der = "der";
    return out;
}

/// Plays a session; each step says what was asked.
class Play {
 public:
    explicit Play(OrderSettings with = settings())
        : session_(std::move(with), key), action_(session_.start()) {}
    /// "POST https://ca/o", "GET …", "publish", "wait 3", "done …", "failed …".
    std::string now() const {
        if (const auto* ask = std::get_if<OrderSession::Ask>(&action_))
            return ask->request.method + " " + ask->request.url;
        if (std::holds_alternative<OrderSession::Publish>(action_)) return "publish";
        if (const auto* wait = std::get_if<OrderSession::Wait>(&action_))
            return fmt::format("wait {}", wait->time.count());
        if (const auto* done = std::get_if<OrderSession::Done>(&action_)) return "done " + done->chain_pem;
        const auto& failed = std::get<OrderSession::Failed>(action_);
        return fmt::format("failed {} {}", failed.not_before.count(), failed.why);
    }
    json part(const char* name) const {
        const json body = json::parse(std::get<OrderSession::Ask>(action_).request.body);
        const std::string text = *base::base64url_decode(body.at(name).get<std::string>());
        return text.empty() ? json() : json::parse(text);
    }
    const std::vector<Proof>& proofs() const { return std::get<OrderSession::Publish>(action_).proofs; }
    Play& get(env::HttpResponse response) {
        action_ = session_.on_answer(response);
        return *this;
    }
    Play& published() {
        action_ = session_.on_published();
        return *this;
    }
    Play& waited() {
        action_ = session_.on_waited();
        return *this;
    }
    /// Up to the new order's request.
    Play& to_order() {
        get(answer(200, directory_json));
        if (now() == "HEAD https://ca/n") get(answer(200, ""));
        return get(answer(201, "{}", {{"location", "https://ca/acct/1"}}));
    }
    Play& to_publish() {
        return to_order()
            .get(answer(201, order_json("pending"), {{"location", "https://ca/order/1"}}))
            .get(answer(200, authorization_json("a.example", "pending")))
            .get(answer(200, authorization_json("b.example", "pending")));
    }
    static inline const Key key = Key::generate(KeyType::Ecdsa);

 private:
    OrderSession session_;
    OrderSession::Action action_;
};

TEST(OrderSession, WholeJourney) {
    Play play;
    EXPECT_EQ(play.now(), "GET https://ca/dir");
    EXPECT_EQ(play.get({200, {}, directory_json}).now(), "HEAD https://ca/n");
    EXPECT_EQ(play.get(answer(200, "")).now(), "POST https://ca/a");
    EXPECT_TRUE(play.part("protected").contains("jwk"));
    EXPECT_EQ(play.part("payload")["contact"][0], "mailto:me@example.org");
    EXPECT_EQ(play.part("payload")["termsOfServiceAgreed"], true);
    EXPECT_EQ(play.get(answer(200, "{}", {{"location", "https://ca/acct/1"}})).now(), "POST https://ca/o");
    EXPECT_EQ(play.part("protected")["kid"], "https://ca/acct/1");
    EXPECT_EQ(play.part("protected")["url"], "https://ca/o");
    EXPECT_EQ(play.part("protected")["nonce"], "fresh");
    EXPECT_EQ(play.part("payload")["identifiers"][1]["value"], "b.example");
    play.get(answer(201, order_json("pending"), {{"location", "https://ca/order/1"}}));
    EXPECT_EQ(play.now(), "POST https://ca/z1");
    EXPECT_TRUE(play.part("payload").is_null());  // POST as GET
    EXPECT_EQ(play.get(answer(200, authorization_json("a.example", "pending"))).now(), "POST https://ca/z2");
    EXPECT_EQ(play.get(answer(200, authorization_json("b.example", "pending"))).now(), "publish");
    ASSERT_EQ(play.proofs().size(), 2U);
    EXPECT_EQ(play.proofs()[0].token, "tok-a");
    EXPECT_EQ(play.proofs()[0].key_authorization, "tok-a." + Play::key.thumbprint());
    EXPECT_EQ(play.published().now(), "POST https://ca/c/a.example");
    EXPECT_EQ(play.part("payload"), json::object());
    EXPECT_EQ(play.get(answer(200, "{}")).now(), "POST https://ca/c/b.example");
    EXPECT_EQ(play.get(answer(200, "{}")).now(), "POST https://ca/z1");
    EXPECT_EQ(play.get(answer(200, authorization_json("a.example", "pending"), {{"retry-after", "3"}})).now(),
              "wait 3");
    EXPECT_EQ(play.waited().now(), "POST https://ca/z1");
    EXPECT_EQ(play.get(answer(200, authorization_json("a.example", "valid"))).now(), "POST https://ca/z2");
    EXPECT_EQ(play.get(answer(200, authorization_json("b.example", "valid"))).now(),
              "POST https://ca/order/1");
    EXPECT_EQ(play.get(answer(200, order_json("ready"))).now(), "POST https://ca/f");
    EXPECT_EQ(play.part("payload")["csr"], base::base64url_encode("der"));
    EXPECT_EQ(play.get(answer(200, order_json("processing"))).now(), "wait 1");
    EXPECT_EQ(play.waited().now(), "POST https://ca/order/1");
    EXPECT_EQ(play.get(answer(200, order_json("valid", R"(,"certificate":"https://ca/crt")"))).now(),
              "POST https://ca/crt");
    EXPECT_EQ(play.get(answer(200, "PEM")).now(), "done PEM");
}

TEST(OrderSession, NoncesAreReplacedAFewTimes) {
    Play play;
    play.get(answer(200, directory_json));
    const auto bad = answer(400, R"({"type":"urn:ietf:params:acme:error:badNonce","detail":"old"})");
    for (unsigned i = 1; i < OrderSession::nonce_attempts_max; ++i)
        EXPECT_EQ(play.get(bad).now(), "POST https://ca/a") << i;
    EXPECT_EQ(play.get(bad).now(), "failed 0 the authority refused while making the account: old (badNonce)");
    Play without;
    without.get(answer(200, directory_json));
    const env::HttpResponse no_nonce{400, {}, bad.body};
    EXPECT_EQ(without.get(no_nonce).now(), "HEAD https://ca/n");  // a new one is fetched
    EXPECT_EQ(without.get({200, {{"replay-nonce", "not base64url!"}}, ""}).now(),
              "failed 0 the authority gave no nonce");
}

TEST(OrderSession, WhatCanGoWrong) {
    auto not_agreed = settings();
    not_agreed.terms = OrderSettings::Terms::NotAgreed;
    EXPECT_NE(Play(not_agreed).get(answer(200, directory_json)).now().find("acme_terms_agreed = yes"),
              std::string::npos);
    EXPECT_NE(Play().get(answer(200, "<html>")).now().find("no JSON object"), std::string::npos);
    EXPECT_NE(Play()
                  .get(answer(200, R"({"newNonce":"http://ca/n","newAccount":"x","newOrder":[]})"))
                  .now()
                  .find("no ACME directory"),
              std::string::npos);
    EXPECT_NE(Play().get(answer(503, "", {{"retry-after", "120"}})).now().find("failed 120 "),
              std::string::npos);
    EXPECT_NE(
        Play()
            .get(answer(
                200,
                R"({"newNonce":"https://ca/n","newAccount":"https://ca/a","newOrder":"https://ca/o","meta":{"externalAccountRequired":true}})"))
            .now()
            .find("acme_eab_key_id"),
        std::string::npos);
    const auto limited =
        answer(429, R"({"type":"urn:ietf:params:acme:error:rateLimited","detail":"slow down\u001b[0m"})",
               {{"retry-after", "7200"}});
    const std::string said = Play().to_order().get(limited).now();
    EXPECT_TRUE(said.starts_with("failed 7200 the authority refused while ordering: slow down")) << said;
    EXPECT_EQ(said.find('\x1b'), std::string::npos);
    EXPECT_NE(Play().to_order().get(answer(201, order_json("pending"))).now().find("where the new order is"),
              std::string::npos);
    auto other = settings();
    other.challenge = ChallengeType::TlsAlpn01;
    Play alpn(other);
    alpn.to_order().get(answer(201, order_json("pending"), {{"location", "https://ca/order/1"}}));
    EXPECT_NE(alpn.get(answer(200, authorization_json("a.example", "pending")))
                  .now()
                  .find("does not offer tls-alpn-01 for a.example, only dns-01, http-01"),
              std::string::npos);
    Play foreign;
    foreign.to_order().get(answer(201, order_json("pending"), {{"location", "https://ca/order/1"}}));
    EXPECT_NE(
        foreign.get(answer(200, authorization_json("evil.example", "pending"))).now().find("not ordered"),
        std::string::npos);
    Play refused;
    refused.to_publish().published().get(answer(200, "{}")).get(answer(200, "{}"));
    EXPECT_NE(refused.get(answer(200, authorization_json("a.example", "invalid")))
                  .now()
                  .find("could not verify a.example by http-01: no address (dns)"),
              std::string::npos);
}

TEST(OrderSession, AnEndlessAuthorityIsLeft) {
    Play play;
    play.to_publish().published().get(answer(200, "{}")).get(answer(200, "{}"));
    unsigned waits = 0;
    while (play.get(answer(200, authorization_json("a.example", "pending"), {{"retry-after", "999999"}}))
               .now()
               .starts_with("wait")) {
        EXPECT_EQ(play.now(), "wait 30");
        ASSERT_LE(++waits, OrderSession::polls_max);
        play.waited();
    }
    EXPECT_NE(play.now().find("tried again later"), std::string::npos);
}

TEST(OrderSession, NothingToProve) {
    Play play;
    play.to_order().get(answer(201, order_json("ready"), {{"location", "https://ca/order/1"}}));
    EXPECT_EQ(play.now(), "POST https://ca/f");  // the authority remembers
    Play known;
    known.to_order()
        .get(answer(201, order_json("pending"), {{"location", "https://ca/order/1"}}))
        .get(answer(200, authorization_json("a.example", "valid")))
        .get(answer(200, authorization_json("b.example", "valid")));
    EXPECT_TRUE(known.proofs().empty());
    EXPECT_EQ(known.published().now(), "POST https://ca/order/1");
}

// RFC 7638 §3.1's example is an RSA key; the form and the digest are what matters.
TEST(Key, SignaturesVerify) {
    for (const KeyType type : {KeyType::Ecdsa, KeyType::Rsa}) {
        const Key key = Key::generate(type);
        const auto again = Key::parse(key.pem());
        ASSERT_TRUE(again);
        EXPECT_EQ(again->type(), type);
        EXPECT_EQ(again->jwk(), key.jwk());
        EXPECT_EQ(key.thumbprint(), base::base64url_encode(sha256(key.jwk())));
        const std::string signature = key.sign("text");
        EXPECT_EQ(signature.size(), type == KeyType::Ecdsa ? 64U : 256U);
        std::string der = signature;
        if (type == KeyType::Ecdsa) {  // r and s as a SEQUENCE of INTEGERs, for the verifier
            const auto integer = [](std::string number) {
                while (number.size() > 1 && number[0] == '\0') number.erase(0, 1);
                if (static_cast<unsigned char>(number[0]) >= 0x80) number.insert(0, 1, '\0');
                return std::string("\x02") + static_cast<char>(number.size()) + number;
            };
            const std::string both = integer(signature.substr(0, 32)) + integer(signature.substr(32));
            der = std::string("\x30") + static_cast<char>(both.size()) + both;
        }
        const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                              EVP_MD_CTX_free);
        ASSERT_EQ(EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr,
                                       static_cast<EVP_PKEY*>(key.handle())),
                  1);
        EXPECT_EQ(EVP_DigestVerify(context.get(), reinterpret_cast<const unsigned char*>(der.data()),
                                   der.size(), reinterpret_cast<const unsigned char*>("text"), 4),
                  1);
    }
    EXPECT_FALSE(Key::parse("no key"));
    EXPECT_FALSE(Key::parse(""));
}

TEST(Jws, Base64url) {
    EXPECT_EQ(base::base64url_encode(std::string("\xfb\xff\xfe", 3)), "-__-");
    EXPECT_EQ(base::base64url_encode("a"), "YQ");
    EXPECT_EQ(base::base64url_decode("YQ"), "a");
    for (const char* bad : {"YQ==", "a+b/", "Y", "Y Q"})
        EXPECT_EQ(base::base64url_decode(bad), std::nullopt) << bad;
}

TEST(Certificate, NamesThatCanBeProved) {
    EXPECT_EQ(parse_certificate_name("Mail.Example.ORG"), "mail.example.org");
    for (const char* bad :
         {"", "localhost", "*.example.org", "a..b", "-a.example", "a_b.example", "192.0.2.1",
          "a.example,DNS:evil", "bücher.example", ".example.org", "a.example."})
        EXPECT_FALSE(parse_certificate_name(bad)) << bad;
}

TEST(Certificate, ChainsAreJudged) {
    const auto now = env::WallTime(std::chrono::seconds(1'800'000'000));
    const Key key = Key::generate(KeyType::Ecdsa), other = Key::generate(KeyType::Ecdsa);
    const std::vector<std::string> names{"a.example", "b.example"};
    const std::string pem = placeholder_certificate(key, names, now, std::chrono::hours(24));
    EXPECT_TRUE(check_chain(pem, key, names, now));
    EXPECT_TRUE(check_chain(pem + pem, key, names, now));
    EXPECT_FALSE(check_chain(pem, other, names, now));
    EXPECT_FALSE(check_chain(pem, key, {"a.example", "c.example"}, now));
    EXPECT_FALSE(check_chain(pem, key, names, now + 25h));
    EXPECT_FALSE(check_chain(pem, key, names, now - 3h));
    EXPECT_FALSE(check_chain("", key, names, now));
    std::string endless;
    for (int i = 0; i < 40; ++i) endless += pem;
    EXPECT_FALSE(check_chain(endless, key, names, now));
    EXPECT_FALSE(certificate_request(key, names).empty());
    EXPECT_NE(challenge_certificate(key, "a.example", sha256("x"), now).find("BEGIN CERTIFICATE"),
              std::string::npos);
}

TEST(Schedule, RenewalsAndRetries) {
    const env::WallTime start{std::chrono::hours(24 * 1000)};
    const auto days = [](int n) { return std::chrono::hours(24 * n); };
    EXPECT_EQ(renewal_time(start, start + days(90), 0s, 0.0), start + days(60));
    EXPECT_EQ(renewal_time(start, start + days(90), 0s, 0.5), start + days(57));
    EXPECT_EQ(renewal_time(start, start + days(6), 0s, 0.0), start + days(3));
    EXPECT_EQ(renewal_time(start, start + days(90), days(10), 0.0), start + days(80));
    EXPECT_GT(renewal_time(start, start + days(90), days(365), 0.999), start);  // never at once again
    EXPECT_EQ(retry_delay(1, 300s, 0s, 0.5), 300s);
    EXPECT_EQ(retry_delay(3, 300s, 0s, 0.5), 1200s);
    EXPECT_EQ(retry_delay(1000, 300s, 0s, 0.5), 24h);
    EXPECT_EQ(retry_delay(1, 300s, 48h, 0.5), 48h);
    EXPECT_EQ(retry_delay(1, 300s, 0s, 0.0), 225s);
}

TEST(ChallengeServer, OnlyProofsAreAskedFor) {
    const std::string base = "GET /.well-known/acme-challenge/";
    EXPECT_EQ(asked_token(base + "abc-_9 HTTP/1.1\r\nHost: x\r\n\r\n"), "abc-_9");
    EXPECT_EQ(asked_token(base + "abc HTTP/1.0\r\n\r\n"), "abc");
    for (const std::string& bad :
         {base + " HTTP/1.1\r\n\r\n", base + "a/../b HTTP/1.1\r\n\r\n", base + "a HTTP/2\r\n\r\n",
          base + "a\r\n\r\n", std::string("POST /.well-known/acme-challenge/a HTTP/1.1\r\n\r\n"),
          std::string("GET / HTTP/1.1\r\n\r\n"), std::string(),
          base + std::string(300, 'a') + " HTTP/1.1\r\n\r\n"})
        EXPECT_EQ(asked_token(bad), std::nullopt) << bad;
}

TEST(Options, WhichCertificatesAreWanted) {
    Options options;
    options.directory_url = "https://ca/dir";
    options.key_types = {"ecdsa", "RSA"};
    EXPECT_TRUE(wanted_certificates(options)->empty());
    options.domains = {"a.example", "B.example", "a.example", "{ c.example, d.example }"};
    const auto wanted = wanted_certificates(options);
    ASSERT_TRUE(wanted) << wanted.error();
    ASSERT_EQ(wanted->size(), 4U);
    EXPECT_EQ((*wanted)[0].names, (std::vector<std::string>{"a.example", "b.example"}));
    EXPECT_EQ((*wanted)[0].id(), "a.example.ecdsa");
    EXPECT_EQ((*wanted)[3].id(), "c.example.rsa");
    const auto refused = [&](auto change, const char* why) {
        Options bad = options;
        change(bad);
        const auto got = wanted_certificates(bad);
        ASSERT_FALSE(got) << why;
        EXPECT_NE(got.error().find(why), std::string::npos) << got.error();
    };
    refused([](Options& o) { o.domains = {"*.example.org"}; }, "acme_domains: '*.example.org' is a wildcard");
    refused([](Options& o) { o.domains = {"{ }"}; }, "no name in the braces");
    refused([](Options& o) { o.domains = {"{ a.example }", "{ a.example b.example }"}; },
            "begin with a.example");
    refused([](Options& o) { o.directory_url = "http://ca"; }, "acme_directory_url");
    refused([](Options& o) { o.key_types = {"dsa"}; }, "acme_key_types");
    refused([](Options& o) { o.contacts = {"nobody"}; }, "acme_contact");
}

TEST(Attempts, SurviveTheirFile) {
    const Attempts attempts{3, 100, 200, "no\n\"luck\""};
    const auto again = parse_attempts(print_attempts(attempts));
    EXPECT_EQ(again.failures, 3U);
    EXPECT_EQ(again.next, 200U);
    EXPECT_EQ(parse_attempts("{").failures, 0U);
    EXPECT_EQ(parse_attempts(R"({"failures":-1,"next":"x","error":7})").next, 0U);
}

TEST(Messages, NeverThrow) {
    for (const char* bad : {"", "null", "[]", "{}", R"({"status":7})", R"({"status":"valid","finalize":[]})",
                            R"({"status":"pending","finalize":"https://ca/f","authorizations":["ftp://x"]})",
                            R"({"status":"pending","identifier":{"value":7}})"}) {
        EXPECT_FALSE(parse_order(bad)) << bad;
        EXPECT_FALSE(parse_directory(bad)) << bad;
        EXPECT_FALSE(parse_authorization(bad)) << bad;
        parse_problem(bad);
    }
    const auto problem = parse_problem(
        R"({"type":"urn:ietf:params:acme:error:malformed","detail":"d","subproblems":[{"identifier":{"value":"a.example"},"detail":"bad"},7]})");
    EXPECT_EQ(problem.text(), "d; a.example: bad (malformed)");
}

}  // namespace
}  // namespace acme
