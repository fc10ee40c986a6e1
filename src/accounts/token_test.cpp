// Tokens: the RFCs' own signatures, forged ones, and what claims are worth.
#include "accounts/introspection_validator.hpp"
#include "accounts/json_web_token.hpp"
#include "accounts/token_claims.hpp"
#include "base/base64.hpp"

#include <gtest/gtest.h>

namespace accounts {
namespace {

using Kind = LoginAnswer::Kind;

// RFC 7515 A.2 and A.3, RFC 8037 A.2
constexpr std::string_view keys_of_the_rfcs = R"({"keys":[
  {"kty":"RSA","kid":"rsa","use":"sig","alg":"RS256","e":"AQAB",
   "n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"},
  {"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},
  {"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
  {"kty":"oct","k":"AAAA"}, {"kty":"EC","crv":"P-256","x":"AA","y":"AA"}, 7]})";

const std::string claims_of_the_rfc =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
const std::string rs256 =
    "eyJhbGciOiJSUzI1NiJ9." + claims_of_the_rfc +
    ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_"
    "O8W2Fp5jujGbds9uJdbF9CUAr7t1"
    "dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_"
    "dO--xi12jzDw"
    "usC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_"
    "IoypGlUPQGe77Rw";
const std::string es256 =
    "eyJhbGciOiJFUzI1NiJ9." + claims_of_the_rfc +
    ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
const std::string eddsa =
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

std::string with_header(std::string_view header, const std::string& token) {
    return base::base64url_encode(header) + token.substr(token.find('.'));
}

TEST(JsonWebToken, SignaturesOfTheRfcs) {
    const auto keys = KeySet::parse(keys_of_the_rfcs);
    ASSERT_TRUE(keys) << keys.error();
    EXPECT_EQ(keys->size(), 3U);  // the others are of no use
    for (const auto& token : {rs256, es256})
        EXPECT_EQ(keys->verified_claims(token).value_or(""), *base::base64url_decode(claims_of_the_rfc))
            << token;
    EXPECT_EQ(keys->verified_claims(eddsa).value_or(""), "Example of Ed25519 signing");
}

TEST(JsonWebToken, ForgeriesAreRefused) {
    const auto keys = KeySet::parse(keys_of_the_rfcs);
    ASSERT_TRUE(keys);
    std::string other_claims = rs256, flipped = es256;
    other_claims[other_claims.find('.') + 5] ^= 1;
    flipped[flipped.rfind('.') + 9] = flipped[flipped.rfind('.') + 9] == 'A' ? 'B' : 'A';
    const std::string unsigned_token =
        base::base64url_encode(R"({"alg":"none"})") + "." + claims_of_the_rfc + ".";
    for (const auto& token :
         {other_claims, flipped, unsigned_token, with_header(R"({"alg":"none"})", rs256),
          with_header(R"({"alg":"HS256"})", rs256), with_header(R"({"alg":"ES256"})", rs256),
          with_header(R"({"alg":"RS256","crit":["x"]})", rs256), with_header(R"({"alg":["RS256"]})", rs256),
          with_header("[]", rs256), with_header("{", rs256),
          with_header(R"({"alg":"RS256","kid":"another"})", rs256), rs256 + "=", rs256 + ".x",
          rs256.substr(0, rs256.rfind('.')), std::string(".."), std::string(),
          std::string(token_octets_max + 1, '.'), with_header(std::string(3000, '['), rs256)})
        EXPECT_FALSE(keys->verified_claims(token)) << token.substr(0, 200);
}

TEST(JsonWebToken, KeysThatAreNoneOrTooWeak) {
    for (
        const char* text :
        {"", "[]", "{}", R"({"keys":{}})", R"({"keys":[]})",
         R"({"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]})",
         R"({"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"}]})",
         R"({"keys":[{"kty":"OKP","crv":"Ed25519","use":"enc","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})",
         R"({"keys":[{"kty":"OKP","crv":"Ed25519","key_ops":["sign"],"x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})"})
        EXPECT_FALSE(KeySet::parse(text)) << text;
}

TEST(TokenClaims, EachIsJudged) {
    constexpr std::int64_t now = 2'000'000;
    TokenRules rules;
    rules.issuer = "https://id.example";
    rules.audience = "mail";
    rules.scopes = {"smtp", "send"};
    const auto judge = [&](const std::string& more, std::string_view user = "") {
        return judge_claims(
            "{" + more + R"(,"iss":"https://id.example","scope":"send smtp","email":"ann@example.org"})",
            rules, user, now);
    };
    const std::string good = R"("exp":2000100,"aud":["web","mail"])";
    EXPECT_EQ(judge(good).kind, Kind::Right);
    EXPECT_EQ(judge(good).user, "ann@example.org");
    EXPECT_EQ(judge(good, "Ann@Example.org").kind, Kind::Right);
    EXPECT_EQ(judge(good + R"(,"email_verified":true)").kind, Kind::Right);
    EXPECT_EQ(judge(R"("exp":1999941,"aud":"mail")").kind, Kind::Right);  // the clocks' difference
    for (const char* bad :
         {R"("exp":1999940,"aud":"mail")", R"("aud":"mail")", R"("exp":"2000100","aud":"mail")",
          R"("exp":1e300,"aud":"mail")", R"("exp":2000100,"aud":"web")", R"("exp":2000100)",
          R"("exp":2000100,"aud":[["mail"]])", R"("exp":2000100,"aud":"mail","nbf":2000061)",
          R"("exp":2000100,"aud":"mail","iat":2000061)",
          R"("exp":2000100,"aud":"mail","email_verified":false)",
          R"("exp":2000100,"aud":"mail","email_verified":"true")"})
        EXPECT_EQ(judge(bad).kind, Kind::Wrong) << bad;
    EXPECT_EQ(judge(good, "bob@example.org").kind, Kind::Wrong);
    rules.scopes = {"admin"};
    EXPECT_EQ(judge(good).problem, sasl::TokenProblem::InsufficientScope);
    rules.scopes = {};
    rules.issuer = "https://id.example/";
    EXPECT_EQ(judge(good).kind, Kind::Wrong);
    rules.issuer = "";
    rules.user_claim = "sub";
    EXPECT_EQ(judge(good).kind, Kind::Wrong);
    EXPECT_EQ(judge(good + R"(,"sub":7)").kind, Kind::Wrong);
    EXPECT_EQ(judge(good + R"(,"sub":"a\u0000b")").kind, Kind::Wrong);
    EXPECT_EQ(judge(good + R"(,"sub":"user-7")").user, "user-7");
    EXPECT_EQ(judge_claims("Example of Ed25519 signing", rules, "", now).kind, Kind::Wrong);
    EXPECT_EQ(judge_claims("[]", rules, "", now).kind, Kind::Wrong);
}

TEST(Introspection, OnlyWhereTokensAreSafe) {
    for (const char* url :
         {"https://id.example/introspect", "http://127.0.0.1:8080/x", "http://[::1]/x", "http://localhost/x"})
        EXPECT_EQ(introspection_url_problem(url), "") << url;
    for (const char* url :
         {"http://id.example/x", "http://127.0.0.1@evil.example/", "http://127.0.0.1.evil.example/",
          "http://192.0.2.1/", "ftp://127.0.0.1/", "https://", ""})
        EXPECT_NE(introspection_url_problem(url), "") << url;
}

}  // namespace
}  // namespace accounts
