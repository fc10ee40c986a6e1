#include "accounts/password.hpp"
#include "accounts/password_cost.hpp"
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
    const auto foreign = parse_user_file("a:{NTLM}x\nb:{PLAIN}y\n");  // one user's trouble is not the others'
    ASSERT_TRUE(foreign);
    ASSERT_EQ(foreign->problems.size(), 1U);
    EXPECT_NE(foreign->problems[0].find("line 1"), std::string::npos);
    EXPECT_EQ(foreign->users.size(), 2U);
    EXPECT_FALSE(parse_user_file("a:{PLAIN}x\na:{PLAIN}y\n"));
}

// What a hash asks for is looked at before it is given (argon2id of 2 TiB, a billion rounds).
TEST(Password, CostIsBounded) {
    for (const char* hash :
         {"$argon2id$v=19$m=65536,t=3,p=1$c2FsdHNhbHQ$x", "$argon2id$m=65536,t=2,p=1$c2FsdHNhbHQ$x",
          "$argon2id$v=19$m=1048576,t=4,p=4$c2FsdHNhbHQ$x"})
        EXPECT_TRUE(argon2_is_affordable(hash)) << hash;
    for (const char* hash :
         {"$argon2id$v=19$m=2147483647,t=3,p=1$c2FsdHNhbHQ$x", "$argon2id$v=19$m=65536,t=4000000000,p=1$a$x",
          "$argon2id$v=19$m=65536,t=3,p=100000$a$x", "$argon2id$v=19$m=1048576,t=64,p=1$a$x",
          "$argon2id$v=19$m=65536$a$x", "$argon2id$v=19$m=-1,t=1,p=1$a$x", "$argon2id", "", "argon2id"})
        EXPECT_FALSE(argon2_is_affordable(hash)) << hash;
    for (const char* hash : {"$1$saltsalt$x", "$5$saltsalt$x", "$6$rounds=656000$saltsalt$x", "$2b$12$x",
                             "$y$j9T$salt$x", "$gy$jFT$salt$x", "$7$CU..../....salt$x", "$sha1$40000$salt$x",
                             "$md5,rounds=45105$s$$x", "ababababababa"})
        EXPECT_TRUE(crypt_is_affordable(hash)) << hash;
    for (const char* hash : {"$6$rounds=999999999$saltsalt$x", "$5$rounds=99999999999999999999$s$x",
                             "$2b$31$x", "$2b$xx$x", "$y$jzz$salt$x", "$y$jLT$salt$x", "$y$j9T.......$salt$x",
                             "$y$", "$7$zz....z....salt$x", "$7$", "$", "$6", "$unknown$x$y"})
        EXPECT_FALSE(crypt_is_affordable(hash)) << hash;
    EXPECT_FALSE(
        password_matches("{ARGON2ID}$argon2id$v=19$m=2147483647,t=1,p=1$c2FsdHNhbHQ$AAAAAAAA", "secret"));
    EXPECT_FALSE(password_matches("{PBKDF2}$1$salt$4000000000$" + std::string(40, 'a'), "secret"));
}

TEST(Password, MoreSchemes) {  // of "secret"; made by Dovecot (doveadm pw), crypt(3) and openssl
    for (const char* stored :
         {"$2b$05$k0onzb55X7eQoCJlxnfiheFvdyurN4WWzKOWZwRT1dBYIsNMXaBfi",
          "{BLF-CRYPT}$2b$05$k0onzb55X7eQoCJlxnfiheFvdyurN4WWzKOWZwRT1dBYIsNMXaBfi",
          "{SHA256-CRYPT}$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA",
          "$y$j9T$k2XAnEHBqQ1Ct2aMXFKNa/$wlUhTDUqAryQnsZkFoU5UZ6UStBlZ4Z8j4gtdFPQVn4", "{PLAIN.B64}c2VjcmV0",
          "{PLAIN-MD5}5ebe2294ecd0e0f08eab7690d2a6ee69",
          "{LDAP-MD5}Xr4ilOzQ4PCOq3aQ0qbuaQ==", "{SMD5}uL5b+kIYxIsMuqqI+UCTP8uFoKg=",
          "{PBKDF2}$1$5sc9BiDgRa.kFJDk$5000$ba2df57df590cc9abff65d59525edefbc8770553",
          "{SSHA256}Xxf2EtfN0SrfFan4PgjYSy0av4eUfwZlUwREe0W9OZQsDxgW",
          "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$NjQfO8DC+XkPkdB5CvDtWw$VvokUSIb/5f/"
          "FExksRr+pv5Qmqa1tt8+Q1YBWg8ZdLc",
          "{SCRAM-SHA-256}4096,VRvkzrJ+C6e3qQ0UZTTE4w==,Hexl4qjNtKkXHt5k1Jz3yaE6q2JLuQFx+NHlWN5IJzI=,"
          "IMHG0Vws4KgUcpmOYI+pLPOTE0r+aoawrRF6ZWreZjA=",
          "{SCRAM-SHA-1}4096,U0dVoi3okMqyml5+c8jEkg==,KoxO9X1Jzo1l3pN2yS4HMjpHnE0=,Sx4TXYZBw7NMHpsqr3o+"
          "ct6bAfg="}) {
        EXPECT_TRUE(password_matches(stored, "secret")) << stored;
        EXPECT_FALSE(password_matches(stored, "Secret")) << stored;
        EXPECT_TRUE(is_known_scheme(stored)) << stored;
    }
    EXPECT_TRUE(password_matches("{PLAIN}p w", "p\xc2\xa0w"));  // prepared (RFC 4013)
    EXPECT_TRUE(password_matches("{PLAIN}\xff", "\xff"));       // what cannot be prepared is taken as it is
    for (const char* stored : {"{PBKDF2}$1$$1000$00", "{PBKDF2}", "{PBKDF2}$1$salt$0$00",
                               "{SCRAM-SHA-256}4096,YQ==,Yg==,Yw==", "{SCRAM-SHA-256}1,,,", "{SMD5}AAAA",
                               "{PLAIN.HEX}xyz", "{", "{}", "{}x", "{PLAIN"})
        EXPECT_FALSE(password_matches(stored, "secret")) << stored;
}

env::IpAddress address(const char* text) { return *env::IpAddress::parse(text); }

TEST(Throttle, SlowsThenBansAndForgets) {
    Throttle throttle;
    ThrottleOptions options;
    options.failures_of_address = 3;
    options.failures_of_account = 5;
    env::SteadyTime now{std::chrono::hours(1)};
    throttle.succeeded(address("192.0.2.9"), "ann", now);
    env::Duration before{0};
    for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(throttle.may_try(address("192.0.2.1"), "ann", options, now));
        const auto wait = throttle.failed(address("192.0.2.1"), "ann", options, now);
        EXPECT_GT(wait, before);
        before = wait;
    }
    EXPECT_FALSE(throttle.may_try(address("192.0.2.1"), "ann", options, now));
    EXPECT_FALSE(throttle.may_try(address("192.0.2.1"), "bob", options, now));
    EXPECT_TRUE(throttle.may_try(address("192.0.2.2"), "ann", options, now));
    for (int i = 0; i < 3; ++i)
        throttle.failed(address(("192.0.2." + std::to_string(20 + i)).c_str()), "Ann", options, now);
    EXPECT_FALSE(throttle.may_try(address("192.0.2.2"), "ann", options, now));
    EXPECT_TRUE(throttle.may_try(address("192.0.2.9"), "ann", options, now));  // where it always worked
    now += options.ban + std::chrono::seconds(1);
    EXPECT_TRUE(throttle.may_try(address("192.0.2.1"), "ann", options, now));
}

TEST(Throttle, NetworksAndMemory) {
    Throttle throttle;
    ThrottleOptions options;
    options.failures_of_address = 2;
    const env::SteadyTime now{std::chrono::hours(1)};
    throttle.failed(address("2001:db8:1:2::1"), "a", options, now);
    throttle.failed(address("2001:db8:1:2:ffff::2"), "b", options, now);
    EXPECT_FALSE(throttle.may_try(address("2001:db8:1:2::3"), "c", options, now));
    EXPECT_TRUE(throttle.may_try(address("2001:db8:1:3::1"), "c", options, now));
    for (std::uint32_t i = 0; i < 2 * options.failures_of_account; ++i)
        throttle.failed(address(("198.51.100." + std::to_string(i)).c_str()), "", options, now);
    EXPECT_TRUE(throttle.may_try(address("192.0.2.77"), "", options, now));
    // A flood of names takes bounded memory and does not lift the ban.
    for (std::size_t i = 0; i < Throttle::records_max + 100; ++i)
        throttle.failed(address("192.0.2.1"), "name" + std::to_string(i), options, now);
    EXPECT_LE(throttle.records(), Throttle::records_max + 2 + 2 * options.failures_of_account);
    EXPECT_FALSE(throttle.may_try(address("2001:db8:1:2::3"), "c", options, now));
}

}  // namespace
}  // namespace accounts
