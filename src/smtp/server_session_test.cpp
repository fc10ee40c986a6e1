// The session as a table of conversations: each line is a command and the code of its reply.
#include "smtp/server_session_driver.hpp"

#include <fmt/format.h>

namespace smtp {
namespace {

TEST(ServerSession, TheClassicDialogue) {
    Driver d;
    EXPECT_EQ(d.output, "220 mail.example.com ESMTP Postrider\r\n");
    EXPECT_EQ(d.say("HELO client.example.net"), "250 mail.example.com\r\n");
    EXPECT_EQ(d.say("MAIL FROM:<ann@example.net>"), "250 2.1.0 Ok\r\n");
    EXPECT_EQ(d.say("RCPT TO:<bob@example.org>"), "250 2.1.5 Ok\r\n");
    EXPECT_EQ(d.say("DATA"), "354 End data with <CR><LF>.<CR><LF>\r\n250 2.0.0 Ok: queued as 4QABC\r\n");
    EXPECT_EQ(d.say("QUIT"), "221 2.0.0 Bye\r\n");
    EXPECT_TRUE(d.closed);
}

TEST(ServerSession, WhatIsLegalWhen) {
    const Conversation conversations[] = {
        {{"MAIL FROM:<a@b.example>", 250}},  // without HELO, unless it is required
        {{"EHLO c", 250}, {"RCPT TO:<a@b.example>", 503}, {"DATA", 503}, {"BDAT 1 LAST", 503}},
        {{"EHLO c", 250}, {"MAIL FROM:<a@b.example>", 250}, {"MAIL FROM:<a@b.example>", 503}},
        {{"EHLO c", 250}, {"MAIL FROM:<a@b.example>", 250}, {"DATA", 554}},
        {{"EHLO c", 250}, {"MAIL FROM:<a@b.example>", 250}, {"RSET", 250}, {"RCPT TO:<a@b.example>", 503}},
        {{"EHLO c", 250}, {"MAIL FROM:<a@b.example>", 250}, {"EHLO c", 250}, {"RCPT TO:<a@b.example>", 503}},
        {{"EHLO", 501}, {"HELO", 501}, {"EHLO c", 250}},
        {{"EHLO c", 250},
         {"VRFY ann", 252},
         {"NOOP", 250},
         {"NOOP x", 250},
         {"RSET", 250},
         {"FOO", 500},
         {"EXPN list", 502}},
        {{"EHLO c", 250}, {"STARTTLS", 502}},
        {{"EHLO c", 250}, {"DATA x", 501}, {"RSET x", 501}},
    };
    for (const auto& conversation : conversations) {
        Driver d;
        expect(conversation, d);
    }
}

TEST(ServerSession, EtrnAsksForTheMailOfADomain) {
    Driver d;
    EXPECT_EQ(d.say("ETRN relay.example"), "250 Queuing started\r\n");
    EXPECT_NE(d.say("EHLO c").find("250-ETRN\r\n"), std::string::npos);
    const Conversation lines = {{"ETRN", 500},
                                {"ETRN a.example b.example", 500},
                                {"ETRN -a.example", 501},
                                {"ETRN <a.example>", 501},
                                {"ETRN a@b.example", 501},
                                {"ETRN @", 501},
                                {"ETRN gr\xc3\xbc\xc3\x9f.example", 501},
                                {"ETRN [192.0.2.1]", 250},
                                {"ETRN @Relay.example", 250}};
    expect(lines, d);
    EXPECT_EQ(d.flushed, "Relay.example");
    EXPECT_EQ(d.session.etrn_domain(), "");
    d.site_flush = ServerSession::SiteFlush::NotServed;
    EXPECT_EQ(d.say("ETRN #sub.example"), "459 <sub.example>: service unavailable\r\n");
    d.site_flush = ServerSession::SiteFlush::Failed;
    EXPECT_EQ(d.code("ETRN sub.example"), 458);
    d.refused_stage = Stage::Etrn;
    d.verdict = {Judged::Kind::Refuse, {554, {5, 7, 1}, "no"}};
    EXPECT_EQ(d.say("ETRN sub.example"), "554 5.7.1 no\r\n");
    expect({{"MAIL FROM:<a@b.example>", 250}, {"ETRN sub.example", 503}}, d);
}

TEST(ServerSession, EtrnWaitsForAGreetingWhereOneIsRequired) {
    ServerOptions options = Driver::defaults();
    options.helo_required = true;
    Driver d(TlsOffer::No, options);
    expect({{"ETRN relay.example", 503}, {"HELO c", 250}, {"ETRN relay.example", 250}}, d);
}

TEST(ServerSession, MailAndRcptParameters) {
    const std::pair<const char*, int> mails[] = {
        {"MAIL FROM:<a@b.example> SIZE=1000", 250},
        {"MAIL FROM:<a@b.example> SIZE=99999999999", 552},
        {"MAIL FROM:<a@b.example> SIZE=x", 501},
        {"MAIL FROM:<a@b.example> BODY=8BITMIME", 250},
        {"MAIL FROM:<a@b.example> BODY=BINARYMIME", 250},
        {"MAIL FROM:<a@b.example> BODY=9BIT", 555},
        {"MAIL FROM:<a@b.example> SMTPUTF8", 250},
        {"MAIL FROM:<a@b.example> RET=HDRS ENVID=x+2By", 250},
        {"MAIL FROM:<a@b.example> RET=SOME", 501},
        {"MAIL FROM:<a@b.example> FOO=1", 555},
        {"MAIL FROM:<>", 250},
        {"MAIL FROM:<a@b.example", 501},
        {"MAIL FROM: <a@b.example>", 250},
        {"MAIL <a@b.example>", 501},
        {"mail from:<a@b.example>", 250},
        {"MAIL FROM:<gr\xc3\xbc\xc3\x9f@b.example>", 550},
        {"MAIL FROM:<gr\xc3\xbc\xc3\x9f@b.example> SMTPUTF8", 250},
    };
    for (const auto& [line, code] : mails) {
        Driver d;
        d.say("EHLO c");
        EXPECT_EQ(d.code(line), code) << line << " -> " << d.output;
    }
    const std::pair<const char*, int> recipients[] = {
        {"RCPT TO:<bob@example.org> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;bob@example.org", 250},
        {"RCPT TO:<bob@example.org> NOTIFY=NEVER", 250},
        {"RCPT TO:<bob@example.org> NOTIFY=NEVER,SUCCESS", 501},
        {"RCPT TO:<bob@example.org> NOTIFY=", 501},
        {"RCPT TO:<bob@example.org> SIZE=1", 555},
        {"RCPT TO:<>", 501},
        {"RCPT TO:<gr\xc3\xbc\xc3\x9f@example.org>", 553},
        {"RCPT TO:<Postmaster>", 250},
        {"RCPT TO:<bob@example.org> ORCPT=x", 501},
    };
    for (const auto& [line, code] : recipients) {
        Driver d;
        expect({{"EHLO c", 250}, {"MAIL FROM:<a@b.example>", 250}}, d);
        EXPECT_EQ(d.code(line), code) << line << " -> " << d.output;
    }
}

TEST(MailCommand, TheParameterAuth) {
    GrammarOptions options;
    options.auth = true;
    for (const auto& [value, sender] : {std::pair{"<>", "<>"}, {"a+2Bb@example.org", "a+b@example.org"}}) {
        const auto got = parse_mail(fmt::format("FROM:<> AUTH={}", value), options);
        ASSERT_TRUE(got.has_value()) << value;
        EXPECT_EQ(got->auth_sender, sender);
    }
    for (const auto* wrong : {"", "a+zz@example.org"})
        EXPECT_FALSE(parse_mail(fmt::format("FROM:<> AUTH={}", wrong), options).has_value()) << wrong;
}

TEST(ServerSession, NoParametersAfterHelo) {
    Driver d;
    expect({{"HELO c", 250}, {"MAIL FROM:<a@b.example> SIZE=10", 555}}, d);
}

TEST(ServerSession, TheEhloOffer) {
    Driver d(TlsOffer::Offered);
    const std::string offer = d.say("EHLO c");
    for (const auto* keyword : {"PIPELINING", "SIZE 10240000", "STARTTLS", "ENHANCEDSTATUSCODES", "8BITMIME",
                                "DSN", "SMTPUTF8", "CHUNKING", "BINARYMIME", "LIMITS RCPTMAX=1000"})
        EXPECT_NE(offer.find(keyword), std::string::npos) << keyword << "\n" << offer;
    Driver plain;
    EXPECT_EQ(plain.say("EHLO c").find("STARTTLS"), std::string::npos);
}

TEST(ServerSession, TlsForgetsEverythingAndIsOfferedOnce) {
    Driver d(TlsOffer::Offered);
    expect({{"EHLO c", 250},
            {"MAIL FROM:<a@b.example>", 250},
            {"STARTTLS", 503},
            {"RSET", 250},
            {"STARTTLS", 220}},
           d);
    EXPECT_EQ(d.session.helo(), "");
    EXPECT_EQ(d.say("EHLO c").find("STARTTLS"), std::string::npos);
    EXPECT_GE(d.code("STARTTLS"), 500);
}

TEST(ServerSession, RequiredTlsRefusesMailInClear) {
    Driver d(TlsOffer::Required);
    expect({{"EHLO c", 250},
            {"MAIL FROM:<a@b.example>", 530},
            {"NOOP", 250},
            {"STARTTLS", 220},
            {"EHLO c", 250},
            {"MAIL FROM:<a@b.example>", 250}},
           d);
}

TEST(ServerSession, Chunking) {
    Driver d;
    expect({{"EHLO c", 250},
            {"MAIL FROM:<a@b.example> BODY=BINARYMIME", 250},
            {"RCPT TO:<bob@example.org>", 250},
            {"DATA", 503},
            {"BDAT 1000", 250},
            {"BDAT 0 LAST", 250}},
           d);
    EXPECT_EQ(d.commits, 1);
    Driver refused;
    expect({{"EHLO c", 250},
            {"BDAT 10 LAST", 503},
            {"BDAT x", 521},
            {"BDAT", 521},
            {"BDAT 99999999999999999999999 LAST", 521}},
           refused);
    EXPECT_EQ(refused.commits, 0);
}

TEST(ServerSession, ARefusalAtEachStageIsFinal) {
    for (const auto stage : {Stage::Connect, Stage::Mail, Stage::Rcpt, Stage::Data, Stage::EndOfData}) {
        Driver d;
        d.verdict = {Judged::Kind::Refuse, {554, {5, 7, 1}, "no"}};
        d.refused_stage = stage;
        if (stage == Stage::Connect) {
            ServerSession session(std::make_shared<ServerOptions>(Driver::defaults()), TlsOffer::No);
            EXPECT_TRUE(session.greet(d.verdict).output.starts_with("554"));
            continue;
        }
        for (const auto* line : {"EHLO c", "MAIL FROM:<a@b.example>", "RCPT TO:<bob@example.org>", "DATA"})
            d.say(line);
        EXPECT_EQ(d.commits, 0) << static_cast<int>(stage);
    }
}

TEST(ServerSession, QueueFailuresAreTemporary) {
    Driver full;
    full.commit_failure = CommitFailure::NoSpace;
    expect({{"EHLO c", 250}, {"MAIL FROM:<a@b.example>", 250}, {"RCPT TO:<bob@example.org>", 250}}, full);
    EXPECT_NE(full.say("DATA").find("452 4.3.1"), std::string::npos);
    full.commit_failure.reset();
    expect({{"MAIL FROM:<a@b.example>", 250}, {"RCPT TO:<bob@example.org>", 250}}, full);
    EXPECT_NE(full.say("DATA").find("250 2.0.0"), std::string::npos);
    Driver store;
    store.commit_failure = CommitFailure::Store;
    expect({{"EHLO c", 250}, {"MAIL FROM:<a@b.example>", 250}, {"RCPT TO:<bob@example.org>", 250}}, store);
    EXPECT_NE(store.say("DATA").find("451 4.3.0"), std::string::npos);
}

TEST(ServerSession, ContentThatIsTooLargeOrLoops) {
    Driver large;
    large.content.size = 99999999;
    expect({{"EHLO c", 250}, {"MAIL FROM:<a@b.example>", 250}, {"RCPT TO:<bob@example.org>", 250}}, large);
    EXPECT_NE(large.say("DATA").find("552 5.3.4"), std::string::npos) << large.output;
    EXPECT_EQ(large.commits, 0);
    Driver loop;
    loop.content.hops = 51;
    expect({{"EHLO c", 250}, {"MAIL FROM:<a@b.example>", 250}, {"RCPT TO:<bob@example.org>", 250}}, loop);
    EXPECT_NE(loop.say("DATA").find("554 5.4.0"), std::string::npos) << loop.output;
    EXPECT_EQ(loop.commits, 0);
}

TEST(ServerSession, ErrorsEndTheSession) {
    Driver d;
    d.say("EHLO c");
    int said = 0;
    while (!d.closed && said < 1000) {
        d.say("FOO");
        ++said;
    }
    EXPECT_EQ(said, static_cast<int>(Driver::defaults().hard_error_limit));
    EXPECT_NE(d.output.find("421 4.7.0"), std::string::npos) << d.output;
}

TEST(ServerSession, TheRecipientLimit) {
    ServerOptions options = Driver::defaults();
    options.recipient_limit = 3;
    Driver d(TlsOffer::No, options);
    expect({{"EHLO c", 250},
            {"MAIL FROM:<a@b.example>", 250},
            {"RCPT TO:<a@example.org>", 250},
            {"RCPT TO:<b@example.org>", 250},
            {"RCPT TO:<c@example.org>", 250},
            {"RCPT TO:<d@example.org>", 452}},
           d);
}

TEST(ServerSession, CommandsOfOtherProtocolsCloseAtOnce) {
    for (const auto* line : {"GET / HTTP/1.1", "POST /x HTTP/1.0", "CONNECT a:25 HTTP/1.0"}) {
        Driver d;
        d.say(line);
        EXPECT_TRUE(d.closed) << line;
    }
}

TEST(ServerSession, EveryReplyIsWholeLines) {
    for (const auto* line : {"EHLO a\x01", "MAIL FROM:<a\x7f@b>", "VRFY a\tb", "\xff\xfe", "", " ", "EHLO [",
                             "HELP", "NOOP \x1b[0m"}) {
        Driver d;
        const std::string out = d.say(line);
        EXPECT_TRUE(out.ends_with("\r\n")) << line;
        for (const char c : out) EXPECT_TRUE(c == '\r' || c == '\n' || (c >= 0x20 && c < 0x7f)) << line;
    }
}

TEST(ServerSession, XclientOnlyFromThoseWhoMay) {
    Driver stranger;
    EXPECT_EQ(stranger.code("XCLIENT ADDR=192.0.2.1"), 550);
    EXPECT_EQ(stranger.say("EHLO c.example").find("XCLIENT"), std::string::npos);
    Driver driver;
    driver.session.allow_xclient(true);
    EXPECT_NE(driver.say("EHLO proxy.example").find("XCLIENT NAME ADDR"), std::string::npos);
    EXPECT_EQ(
        driver
            .say("XCLIENT NAME=c.example ADDR=IPV6:2001:db8::7 PORT=1234 HELO=he+2Blo PROTO=ESMTP LOGIN=ann")
            .substr(0, 4),
        "220 ");
    EXPECT_EQ(*driver.session.xclient().name, "c.example");
    EXPECT_EQ(*driver.session.xclient().address, "2001:db8::7");
    EXPECT_EQ(*driver.session.xclient().port, 1234);
    EXPECT_EQ(driver.session.helo(), "he+lo");
    EXPECT_TRUE(driver.session.esmtp());
    expect({{"XCLIENT", 501},
            {"XCLIENT ADDR", 501},
            {"XCLIENT COLOR=red", 501},
            {"XCLIENT PORT=70000", 501},
            {"XCLIENT PROTO=HTTP", 501},
            {"XCLIENT NAME=a+20b", 501},
            {"XCLIENT NAME=+0d+0a", 501},
            {"XCLIENT NAME=[UNAVAILABLE] ADDR=[UNAVAILABLE]", 220},
            {"EHLO c.example", 250},
            {"MAIL FROM:<a@example.org>", 250},
            {"XCLIENT ADDR=192.0.2.1", 503},
            {"RSET", 250},
            {"XCLIENT ADDR=192.0.2.1", 220}},
           driver);
}

TEST(ServerSession, XforwardIsOfOneMessageAndOnlyFromThoseWhoMay) {
    Driver stranger;
    EXPECT_EQ(stranger.code("XFORWARD ADDR=192.0.2.1"), 550);
    EXPECT_EQ(stranger.say("EHLO c.example").find("XFORWARD"), std::string::npos);
    Driver driver;
    driver.session.allow_xforward(true);
    EXPECT_NE(driver.say("EHLO filter.example").find("XFORWARD NAME ADDR PROTO HELO SOURCE PORT IDENT"),
              std::string::npos);
    expect({{"XFORWARD", 501},
            {"XFORWARD ADDR", 501},
            {"XFORWARD LOGIN=ann", 501},
            {"XFORWARD PORT=x", 501},
            {"XFORWARD SOURCE=MOON", 501},
            {"XFORWARD HELO=a+0d+0ab", 501},
            {"XFORWARD NAME=c.example ADDR=IPV6:2001:db8::7 PORT=1234", 250},
            {"XFORWARD HELO=he+2Blo PROTO=ESMTP IDENT=4abc SOURCE=LOCAL", 250},
            {"XFORWARD NAME=evil BAD=1", 501}},
           driver);
    const Xforward* said = driver.session.xforward();
    ASSERT_NE(said, nullptr);
    EXPECT_EQ(said->client(), "c.example[2001:db8::7]") << "a refused command changes nothing";
    EXPECT_EQ(*said->helo, "he+lo");
    EXPECT_EQ(*said->queue_id, "4abc");
    EXPECT_TRUE(*said->local);
    mail::Origin origin;
    origin.client_address = "127.0.0.1";
    take_over(*said, origin);
    EXPECT_EQ(origin.client_address, "2001:db8::7");
    EXPECT_EQ(origin.client_port, 1234);
    expect({{"MAIL FROM:<a@example.org>", 250}, {"XFORWARD ADDR=192.0.2.1", 503}, {"RSET", 250}}, driver);
    EXPECT_EQ(driver.session.xforward(), nullptr);
}

}  // namespace
}  // namespace smtp
