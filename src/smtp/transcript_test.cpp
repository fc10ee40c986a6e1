#include "smtp/transcript.hpp"

#include <gtest/gtest.h>

namespace smtp {
namespace {

using Meaning = Transcript::Meaning;

std::string shown(std::initializer_list<std::pair<std::string_view, Meaning>> lines) {
    Transcript transcript(Transcript::Side::Server);
    for (const auto& [line, meaning] : lines) transcript.commands(line, meaning);
    return transcript.text();
}

TEST(Transcript, BothSides) {
    Transcript server(Transcript::Side::Server), client(Transcript::Side::Client);
    for (auto* one : {&server, &client}) {
        one->replies("220 mx.example ESMTP\r\n");
        one->commands("EHLO a.example\r\nMAIL FROM:<a@b.example>\r\n", Meaning::Command);
        one->replies("250-mx.example\r\n250 SIZE\r\n");
    }
    EXPECT_EQ(server.text(),
              " Out: 220 mx.example ESMTP\r\n In:  EHLO a.example\r\n In:  MAIL FROM:<a@b.example>\r\n"
              " Out: 250-mx.example\r\n Out: 250 SIZE\r\n");
    EXPECT_EQ(client.text(),
              " In:  220 mx.example ESMTP\r\n Out: EHLO a.example\r\n Out: MAIL FROM:<a@b.example>\r\n"
              " In:  250-mx.example\r\n In:  250 SIZE\r\n");
}

TEST(Transcript, NoCredentials) {
    constexpr auto command = Meaning::Command;
    EXPECT_EQ(shown({{"AUTH PLAIN AGFubgBzZWNyZXQ=", command}}), " In:  AUTH PLAIN (not shown)\r\n");
    EXPECT_EQ(shown({{"auth login", command}, {"YW5u", Meaning::Secret}, {"QUIT", Meaning::Secret}}),
              " In:  AUTH login\r\n In:  (not shown)\r\n In:  (not shown)\r\n");
    EXPECT_EQ(shown({{"AUTH AGFubgBzZWNyZXQ=", command}}), " In:  AUTH (not shown)\r\n");
    EXPECT_EQ(shown({{" AUTH PLAIN AGFubgBzZWNyZXQ=", command}}), " In:  (not shown)\r\n");
    EXPECT_EQ(shown({{"AUTH\tPLAIN\tAGFubgBzZWNyZXQ=", command}}), " In:  AUTH (not shown)\r\n");
    // The mechanism was refused, and the client goes on all the same.
    EXPECT_EQ(shown({{"AUTH LOGIN", command},
                     {"YW5u", command},
                     {"c2VjcmV0", command},
                     {"NOOP", command},
                     {"FOO", command}}),
              " In:  AUTH LOGIN\r\n In:  (not shown)\r\n In:  (not shown)\r\n In:  NOOP\r\n In:  FOO\r\n");
    Transcript transcript(Transcript::Side::Server);
    transcript.replies("334 cj1ub25jZSxzPXNhbHQsaT00MDk2\r\n");
    EXPECT_EQ(transcript.text(), " Out: 334 (not shown)\r\n");
}

TEST(Transcript, Bounded) {
    Transcript transcript(Transcript::Side::Server);
    const std::string line = "RCPT TO:<" + std::string(2000, 'x') + "\xc3\xa4>";
    for (int i = 0; i < 1000; ++i) transcript.commands(line, Meaning::Command);
    transcript.commands("QUIT", Meaning::Command);
    const std::string text = transcript.text();
    EXPECT_LE(text.size(), Transcript::octets_max + 100);
    EXPECT_TRUE(text.starts_with(" (what was said before is left out)\r\n In:  RCPT TO:<x"))
        << text.substr(0, 80);
    EXPECT_TRUE(text.ends_with("x ...\r\n In:  QUIT\r\n"));
    transcript.forget();
    EXPECT_EQ(transcript.text(), " (what was said before is left out)\r\n");
}

}  // namespace
}  // namespace smtp
