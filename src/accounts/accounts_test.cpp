#include "accounts/password.hpp"
#include "accounts/throttle.hpp"
#include "accounts/user_file.hpp"

#include <gtest/gtest.h>

namespace accounts {
namespace {

TEST(Password, Schemes) {
    // "secret" in each; made with openssl passwd, htpasswd, doveadm's documented forms.
    for (const char* stored :
         {"{PLAIN}secret",
          "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", "{SHA256}K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols=",
          "{SHA256.HEX}2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b",
          "{CRYPT}$1$saltsalt$9xy1btjgzLYfb7hivXtC//",
          "{SHA512-CRYPT}$6$saltsalt$"
          "TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1",
          "$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq."
          "H91p5hVO1",
          "{SSHA}gVK8WC9YyFT1gMsQHTGCgT3sSv5zYWx0",
          "{SSHA512}E491yrR9AdCoE7rbOPYS3EZgSuZpVE65AD9xko08s6floNesY/"
          "Zpe9zMVvLix4S2FiQSJ99RIkNvhHomNO9uL3NhbHQ="}) {
        EXPECT_TRUE(password_matches(stored, "secret")) << stored;
        EXPECT_FALSE(password_matches(stored, "Secret")) << stored;
        EXPECT_FALSE(password_matches(stored, "")) << stored;
        EXPECT_TRUE(is_known_scheme(stored));
    }
    const std::string argon = hash_password("secret", "0123456789abcdef");
    EXPECT_TRUE(argon.starts_with("{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$"));
    EXPECT_TRUE(password_matches(argon, "secret"));
    EXPECT_TRUE(password_matches(argon.substr(10), "secret"));
    EXPECT_FALSE(password_matches(argon, "secret "));
    const auto verifier = sasl::make_verifier(sasl::ScramHash::Sha256, "secret", "saltsaltsaltsalt", 4096);
    EXPECT_TRUE(password_matches("{SCRAM-SHA-256}" + verifier_text(verifier), "secret"));
    EXPECT_FALSE(password_matches("{SCRAM-SHA-256}" + verifier_text(verifier), "other"));
    for (const char* stored :
         {"", "{PLAIN}", "{NTLM}abc", "!", "*", "{CRYPT}x", "{SSHA}????", "{ARGON2ID}junk"})
        EXPECT_FALSE(password_matches(stored, "secret")) << stored;
    EXPECT_FALSE(is_known_scheme("{NTLM}abc"));
}

TEST(UserFile, ReadsAndWrites) {
    const auto file = parse_user_file(
        "# users\nann@example.org:{PLAIN}x:1000:1000::/home/ann::userdb_quota=1M "
        "scram-sha-256=4096,YQ==,Yg==,Yw== "
        "app-phone={PLAIN}y\n\nbob:{PLAIN}z\neve::::::: disabled\n");
    ASSERT_TRUE(file) << file.error();
    const auto& ann = file->users.at("ann@example.org");
    EXPECT_EQ(ann.scram, "4096,YQ==,Yg==,Yw==");
    EXPECT_EQ(ann.app_passwords.at(0).second, "{PLAIN}y");
    EXPECT_EQ(ann.account_fields, "1000:1000::/home/ann:");
    EXPECT_TRUE(file->users.at("eve").disabled);
    const auto again = parse_user_file(to_text(*file));
    ASSERT_TRUE(again);
    EXPECT_EQ(to_text(*again), to_text(*file));
    EXPECT_EQ(again->users.at("ann@example.org").other_fields.at(0), "userdb_quota=1M");
    EXPECT_FALSE(parse_user_file("a b:{PLAIN}x\n"));
    EXPECT_FALSE(parse_user_file("a:{NTLM}x\n"));
    EXPECT_FALSE(parse_user_file("a:{PLAIN}x\na:{PLAIN}y\n"));
}

TEST(Throttle, SlowsThenBansAndForgets) {
    Throttle throttle;
    ThrottleOptions options;
    options.failures_of_address = 3;
    options.failures_of_account = 5;
    env::SteadyTime now{std::chrono::hours(1)};
    throttle.succeeded("192.0.2.9", "ann", options, now);
    env::Duration before{0};
    for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(throttle.may_try("192.0.2.1", "ann", options, now));
        const auto wait = throttle.failed("192.0.2.1", "ann", options, now);
        EXPECT_GT(wait, before);
        before = wait;
    }
    EXPECT_FALSE(throttle.may_try("192.0.2.1", "ann", options, now));
    EXPECT_FALSE(throttle.may_try("192.0.2.1", "bob", options, now));
    EXPECT_TRUE(throttle.may_try("192.0.2.2", "ann", options, now));
    for (int i = 0; i < 3; ++i) throttle.failed("192.0.2." + std::to_string(20 + i), "ann", options, now);
    EXPECT_FALSE(throttle.may_try("192.0.2.2", "ann", options, now));
    EXPECT_TRUE(throttle.may_try("192.0.2.9", "ann", options, now));  // where it always worked
    now += options.ban + std::chrono::seconds(1);
    EXPECT_TRUE(throttle.may_try("192.0.2.1", "ann", options, now));
}

}  // namespace
}  // namespace accounts
