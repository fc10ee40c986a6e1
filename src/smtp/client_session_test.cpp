// The client session as a table of dialogues: "C: …" is what must be said, "S: …" what the other side
// answers. Each dialogue is replayed with every reply in turn replaced by trouble: the session always comes
// to an end, says nothing more, and never reports a delivery that was not confirmed.
#include "smtp/client_session.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <tuple>

namespace smtp {
namespace {

using Next = ClientStep::Next;
using Dialogue = std::vector<std::string>;

ClientSettings settings() {
    ClientSettings out;
    out.helo_name = "us.example";
    out.host = "mx.example[192.0.2.1]:25";
    out.nonce = "nonce";
    return out;
}

ClientMessage message(std::vector<std::string> to) {
    ClientMessage out;
    out.sender = mail::ReversePath({"ann", "us.example"});
    for (auto& user : to) {
        mail::Recipient recipient;
        recipient.address = {std::move(user), "far.example"};
        out.recipients.push_back(std::move(recipient));
    }
    out.size = 100;
    return out;
}

struct Played {
    Next end = Next::Failed;
    std::vector<RecipientOutcome> results;
    ClientSession::Trouble trouble;
    bool reusable = false, encrypted = false;
    std::string wrong;  // the session said something else than the dialogue has
    int content = 0;
    int replies = 0;
};

Reply parse(std::string_view text) {
    ReplyParser parser;
    std::size_t used = 0;
    const std::string wire = [&] {
        std::string out;
        for (const auto line : base::split(text, '|')) out += std::string(line) + "\r\n";
        return out;
    }();
    EXPECT_EQ(parser.feed(wire, used), ReplyParser::Result::Complete) << text;
    return parser.take();
}

/// `replace`: the reply of that number becomes `with`; what the session says then is only collected.
Played play(const ClientSettings& how, const ClientMessage& what, const Dialogue& lines, int replace = -1,
            std::string_view with = "") {
    Played out;
    ClientSession session(how);
    ClientStep step = session.start();
    std::string said;
    std::size_t at = 0;
    bool sent = false;
    for (int steps = 0; steps < 200; ++steps) {
        said += step.output;
        if (step.next == Next::Ready && !sent) {
            sent = true;
            step = session.send(what);
            continue;
        }
        if (step.next == Next::StartTls) {
            if (!said.empty() && said != "STARTTLS\r\n") out.wrong = said;
            step = session.on_tls();
            continue;
        }
        if (step.next == Next::Content) {
            ++out.content;
            step = session.on_content_sent();
            continue;
        }
        if (step.next != Next::Reply) break;
        // What must have been said before the next reply.
        while (at < lines.size() && lines[at].starts_with("C: ")) {
            const std::string want = lines[at].substr(3) + "\r\n";
            if (replace < 0 || out.replies <= replace) {
                if (!said.starts_with(want)) {
                    out.wrong = "wanted " + want + "got " + said;
                    return out;
                }
                said.erase(0, want.size());
            }
            ++at;
        }
        std::string_view reply = "250 2.0.0 ok";
        if (at < lines.size()) reply = std::string_view(lines[at++]).substr(3);
        if (out.replies == replace) reply = with;
        ++out.replies;
        step = session.on_reply(parse(reply));
    }
    if (replace < 0 && at < lines.size()) out.wrong = "not reached: " + lines[at];
    if (replace < 0 && !said.empty()) out.wrong = "said too much: " + said;
    out.end = step.next;
    out.results = session.results();
    out.trouble = session.trouble();
    out.reusable = session.reusable();
    out.encrypted = session.encrypted();
    return out;
}

const Dialogue plain{"S: 220 mx.example ESMTP",
                     "C: EHLO us.example",
                     "S: 250-mx.example|250 8BITMIME",
                     "C: MAIL FROM:<ann@us.example>",
                     "S: 250 2.1.0 Ok",
                     "C: RCPT TO:<a@far.example>",
                     "S: 250 2.1.5 Ok",
                     "C: RCPT TO:<b@far.example>",
                     "S: 550 5.1.1 no such user",
                     "C: RCPT TO:<c@far.example>",
                     "S: 450 4.2.0 greylisted",
                     "C: DATA",
                     "S: 354 go",
                     "S: 250 2.0.0 queued"};

const Dialogue pipelined{"S: 220 mx.example ESMTP",
                         "C: EHLO us.example",
                         "S: 250-mx.example|250-PIPELINING|250-SIZE 1000|250 DSN",
                         "C: MAIL FROM:<ann@us.example> SIZE=100",
                         "C: RCPT TO:<a@far.example>",
                         "C: RCPT TO:<b@far.example>",
                         "C: DATA",
                         "S: 250 2.1.0 Ok",
                         "S: 250 2.1.5 Ok",
                         "S: 451 4.7.1 later",
                         "S: 354 go",
                         "S: 250 2.0.0 queued"};

/// What follows where the host has nothing to offer.
Dialogue then_one_message(Dialogue opening) {
    for (const auto* line : {"C: MAIL FROM:<ann@us.example>", "S: 250 ok", "C: RCPT TO:<a@far.example>",
                             "S: 250 ok", "C: DATA", "S: 354 go", "S: 250 queued"})
        opening.emplace_back(line);
    return opening;
}

const Dialogue helo = then_one_message(
    {"S: 220 old.example", "C: EHLO us.example", "S: 502 what?", "C: HELO us.example", "S: 250 old.example"});

const Dialogue tls = then_one_message(
    {"S: 220 mx.example ESMTP", "C: EHLO us.example", "S: 250-mx.example|250 STARTTLS", "C: STARTTLS",
     "S: 220 go ahead", "C: EHLO us.example", "S: 250-mx.example|250-STARTTLS|250 AUTH PLAIN LOGIN",
     "C: AUTH PLAIN AHVzZXIAc2VjcmV0", "S: 235 2.7.0 yes"});

const Dialogue lmtp{"S: 220 store LMTP",
                    "C: LHLO us.example",
                    "S: 250-store|250 PIPELINING",
                    "C: MAIL FROM:<ann@us.example>",
                    "C: RCPT TO:<a@far.example>",
                    "C: RCPT TO:<b@far.example>",
                    "C: RCPT TO:<c@far.example>",
                    "C: DATA",
                    "S: 250 ok",
                    "S: 250 ok",
                    "S: 550 5.1.1 no",
                    "S: 250 ok",
                    "S: 354 go",
                    "S: 250 2.0.0 stored",
                    "S: 452 4.2.2 full"};

const Dialogue login = then_one_message(
    {"S: 220 mx.example ESMTP", "C: EHLO us.example", "S: 250-mx.example|250 AUTH LOGIN", "C: AUTH LOGIN",
     "S: 334 VXNlcm5hbWU6", "C: dXNlcg==", "S: 334 UGFzc3dvcmQ6", "C: c2VjcmV0", "S: 235 2.7.0 yes"});

const Dialogue chunks{"S: 220 mx.example ESMTP",
                      "C: EHLO us.example",
                      "S: 250-mx.example|250-CHUNKING|250-BINARYMIME|250 DSN",
                      "C: MAIL FROM:<ann@us.example> BODY=BINARYMIME",
                      "S: 250 ok",
                      "C: RCPT TO:<a@far.example> NOTIFY=SUCCESS",
                      "S: 250 ok",
                      "C: BDAT 100 LAST",
                      "S: 250 queued"};

TEST(ClientSession, ResultsForEachRecipient) {
    const auto got = play(settings(), message({"a", "b", "c"}), plain);
    EXPECT_EQ(got.wrong, "");
    ASSERT_EQ(got.end, Next::Finished);
    EXPECT_TRUE(got.results[0].delivered);
    EXPECT_EQ(got.results[1].reply->code, 550);
    EXPECT_EQ(got.results[2].reply->code, 450);
    EXPECT_EQ(got.results[2].command, "RCPT TO");
    EXPECT_TRUE(got.reusable);
}

TEST(ClientSession, Pipelining) {
    const auto got = play(settings(), message({"a", "b"}), pipelined);
    EXPECT_EQ(got.wrong, "");
    ASSERT_EQ(got.end, Next::Finished);
    EXPECT_TRUE(got.results[0].delivered);
    EXPECT_EQ(got.results[1].reply->code, 451);
}

TEST(ClientSession, FallsBackToHelo) {
    const auto got = play(settings(), message({"a"}), helo);
    EXPECT_EQ(got.wrong, "");
    EXPECT_TRUE(got.results.at(0).delivered);
}

TEST(ClientSession, HeloAloneWhereItIsSaidSo) {
    const Dialogue at_once =
        then_one_message({"S: 220 mx.example hello", "C: HELO us.example", "S: 250 mx.example"});
    Dialogue ehlo = at_once;
    ehlo[0] = "S: 220 mx.example ESMTP";
    ehlo[1] = "C: EHLO us.example";
    auto how = settings();
    const auto is = [&](ClientSettings::Ehlo when, const Dialogue& dialogue) {
        how.ehlo = when;
        const auto out = play(how, message({"a"}), dialogue);
        EXPECT_EQ(out.wrong, "");
        EXPECT_EQ(out.end, Next::Finished);
    };
    is(ClientSettings::Ehlo::WhereGreeted, at_once);
    is(ClientSettings::Ehlo::WhereGreeted, ehlo);
    is(ClientSettings::Ehlo::Never, at_once);
}

const Dialogue forwarded{"S: 220 mx.example ESMTP",
                         "C: EHLO us.example",
                         "S: 250-mx.example|250-PIPELINING|250 XFORWARD NAME ADDR HELO IDENT SOURCE",
                         "C: XFORWARD NAME=c.example ADDR=IPV6:2001:db8::7",
                         "C: XFORWARD HELO=[UNAVAILABLE] IDENT=4abc SOURCE=REMOTE",
                         "C: MAIL FROM:<ann@us.example>",
                         "C: RCPT TO:<a@far.example>",
                         "C: DATA",
                         "S: 250 2.0.0 Ok",
                         "S: 501 5.5.4 no",
                         "S: 250 2.1.0 Ok",
                         "S: 250 2.1.5 Ok",
                         "S: 354 go",
                         "S: 250 2.0.0 queued"};

ClientMessage forwarded_message() {
    auto out = message({"a"});
    out.xforward = Xforward{.name = "c.example",
                            .address = "2001:db8::7",
                            .helo = "",
                            .protocol = "ESMTP",
                            .queue_id = "4abc",
                            .port = std::uint16_t{25},
                            .local = false};
    return out;
}

TEST(ClientSession, XforwardWhereItIsOffered) {
    const auto out = play(settings(), forwarded_message(), forwarded);
    EXPECT_EQ(out.wrong, "");
    EXPECT_TRUE(out.results[0].delivered) << "a refused XFORWARD holds no mail up";
    const auto elsewhere = play(settings(), forwarded_message(), plain);
    EXPECT_EQ(elsewhere.wrong.find("XFORWARD"), std::string::npos);
    Xforward what;
    what.name = std::string(250, 'n');
    what.address = std::string(250, 'a');
    const auto lines = xforward_commands(what, {"name", "addr"});
    ASSERT_EQ(lines.size(), 2U);
    for (const auto& line : lines) EXPECT_LE(line.size(), 512U);
}

TEST(ClientSession, TlsThenAuthNeverInClear) {
    auto how = settings();
    how.credentials = sasl::Credentials{"user", "secret"};
    const auto got = play(how, message({"a"}), tls);
    EXPECT_EQ(got.wrong, "");
    EXPECT_TRUE(got.encrypted);
    EXPECT_TRUE(got.results.at(0).delivered);
    how.tls = ClientSettings::Tls::Never;
    const auto clear =
        play(how, message({"a"}), {"S: 220 mx", "C: EHLO us.example", "S: 250-mx|250 AUTH PLAIN LOGIN"});
    EXPECT_EQ(clear.end, Next::Failed);
    EXPECT_EQ(clear.wrong, "");
    EXPECT_NE(clear.trouble.text.find("not sent without TLS"), std::string::npos) << clear.trouble.text;
}

TEST(ClientSession, TlsRequired) {
    auto how = settings();
    how.tls = ClientSettings::Tls::Must;
    const auto stripped =
        play(how, message({"a"}), {"S: 220 mx", "C: EHLO us.example", "S: 250-mx|250 PIPELINING"});
    EXPECT_EQ(stripped.end, Next::Failed);
    EXPECT_EQ(stripped.wrong, "");
    EXPECT_TRUE(stripped.trouble.status.is_transient());
    const auto refused = play(
        how, message({"a"}),
        {"S: 220 mx", "C: EHLO us.example", "S: 250-mx|250 STARTTLS", "C: STARTTLS", "S: 454 4.7.0 not now"});
    EXPECT_EQ(refused.end, Next::Failed);
    how.tls = ClientSettings::Tls::May;
    const auto goes_on =
        play(how, message({"a"}),
             {"S: 220 mx", "C: EHLO us.example", "S: 250-mx|250 STARTTLS", "C: STARTTLS",
              "S: 454 4.7.0 not now", "C: MAIL FROM:<ann@us.example>", "S: 250 ok",
              "C: RCPT TO:<a@far.example>", "S: 250 ok", "C: DATA", "S: 354 go", "S: 250 ok"});
    EXPECT_EQ(goes_on.wrong, "");
    EXPECT_FALSE(goes_on.encrypted);
    EXPECT_EQ(goes_on.end, Next::Finished);
}

TEST(ClientSession, WrongPassword) {
    auto how = settings();
    how.credentials = sasl::Credentials{"user", "secret"};
    how.encrypted = true;
    const auto got = play(how, message({"a"}),
                          {"S: 220 mx", "C: EHLO us.example", "S: 250-mx|250 AUTH LOGIN", "C: AUTH LOGIN",
                           "S: 334 VXNlcm5hbWU6", "C: dXNlcg==", "S: 334 UGFzc3dvcmQ6", "C: c2VjcmV0",
                           "S: 535 5.7.8 bad password"});
    EXPECT_EQ(got.wrong, "");
    EXPECT_EQ(got.end, Next::Failed);
    EXPECT_NE(got.trouble.text.find("535 5.7.8 bad password"), std::string::npos);
    EXPECT_EQ(got.trouble.text.find("secret"), std::string::npos);
    // A challenge that is none is answered with "*".
    const auto odd =
        play(how, message({"a"}),
             {"S: 220 mx", "C: EHLO us.example", "S: 250-mx|250 AUTH SCRAM-SHA-256",
              "C: AUTH SCRAM-SHA-256 biwsbj11c2VyLHI9bm9uY2U=", "S: 334 !!!", "C: *", "S: 501 cancelled"});
    EXPECT_EQ(odd.wrong, "");
    EXPECT_EQ(odd.end, Next::Failed);
}

TEST(ClientSession, ARefusedLoginBouncesOnlyWhereItIsSaidSo) {
    for (const auto& [temporary, reply, class_] : {std::tuple{true, "535 5.7.8 bad password", 4},
                                                   {false, "535 5.7.8 bad password", 5},
                                                   {false, "454 4.7.0 the directory is down", 4}}) {
        auto how = settings();
        how.credentials = sasl::Credentials{"user", "secret"};
        how.encrypted = true;
        how.refused_login_is_temporary = temporary;
        const auto got = play(how, message({"a"}),
                              {"S: 220 mx", "C: EHLO us.example", "S: 250-mx|250 AUTH PLAIN",
                               "C: AUTH PLAIN AHVzZXIAc2VjcmV0", std::string("S: ") + reply});
        EXPECT_EQ(got.end, Next::Failed);
        EXPECT_TRUE(got.trouble.login);
        EXPECT_EQ(got.trouble.status.class_, class_) << reply;
    }
}

TEST(ClientSession, Lmtp) {
    auto how = settings();
    how.protocol = ClientSettings::Protocol::Lmtp;
    const auto got = play(how, message({"a", "b", "c"}), lmtp);
    EXPECT_EQ(got.wrong, "");
    EXPECT_TRUE(got.results.at(0).delivered);
    EXPECT_EQ(got.results.at(1).reply->code, 550);
    EXPECT_FALSE(got.results.at(2).delivered);
    EXPECT_EQ(got.results.at(2).reply->code, 452);
}

TEST(ClientSession, WhatTheHostCannotTakeIsNotSent) {
    const Dialogue small{"S: 220 mx", "C: EHLO us.example", "S: 250-mx|250 SIZE 50"};
    const auto big = play(settings(), message({"a"}), small);
    EXPECT_EQ(big.wrong, "");
    EXPECT_EQ(big.results.at(0).refused_here->status, (mail::Status{5, 3, 4}));
    auto international = message({"\xc3\xa4"});
    international.smtputf8 = true;
    const auto utf8 = play(settings(), international, {"S: 220 mx", "C: EHLO us.example", "S: 250 mx"});
    EXPECT_EQ(utf8.results.at(0).refused_here->status, (mail::Status{5, 6, 7}));
    auto header = message({"a"});
    header.smtputf8 = header.utf8_header = true;
    EXPECT_EQ(play(settings(), header, {"S: 220 mx", "C: EHLO us.example", "S: 250 mx"})
                  .results.at(0)
                  .refused_here->status,
              (mail::Status{5, 6, 7}));
    auto binary = message({"a"});
    binary.body = mail::BodyType::BinaryMime;
    EXPECT_EQ(play(settings(), binary, {"S: 220 mx", "C: EHLO us.example", "S: 250 mx"})
                  .results.at(0)
                  .refused_here->status,
              (mail::Status{5, 6, 3}));
    const auto chunked = play(settings(), binary,
                              {"S: 220 mx", "C: EHLO us.example", "S: 250-mx|250-CHUNKING|250 BINARYMIME",
                               "C: MAIL FROM:<ann@us.example> BODY=BINARYMIME", "S: 250 ok",
                               "C: RCPT TO:<a@far.example>", "S: 250 ok", "C: BDAT 100 LAST", "S: 250 ok"});
    EXPECT_EQ(chunked.wrong, "");
    EXPECT_TRUE(chunked.results.at(0).delivered);
}

TEST(ClientSession, DsnParametersAreQuoted) {
    auto what = message({"a"});
    what.dsn_return = mail::DsnReturn::Headers;
    what.dsn_envelope_id = "id+1";
    what.recipients[0].notify = mail::Notify::Success | mail::Notify::Delay;
    what.recipients[0].dsn_original = "rfc822;o=1@x";
    const auto got = play(settings(), what,
                          {"S: 220 mx", "C: EHLO us.example", "S: 250-mx|250 DSN",
                           "C: MAIL FROM:<ann@us.example> RET=HDRS ENVID=id+2B1", "S: 250 ok",
                           "C: RCPT TO:<a@far.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;o+3D1@x",
                           "S: 250 ok", "C: DATA", "S: 354 go", "S: 250 ok"});
    EXPECT_EQ(got.wrong, "");
}

TEST(ClientSession, ManyRecipientsGoInGroups) {
    std::vector<std::string> users;
    for (int i = 0; i < 250; ++i) users.push_back("u" + std::to_string(i));
    ClientSession session(settings());
    session.start();
    session.on_reply(parse("220 mx"));
    session.on_reply(parse("250-mx|250 PIPELINING"));
    ClientStep step = session.send(message(users));
    std::size_t in_flight = 0, seen = 0;
    for (int i = 0; i < 1000 && step.next == Next::Reply && step.wait != Wait::EndOfData; ++i) {
        in_flight += static_cast<std::size_t>(std::ranges::count(step.output, '\n'));
        ASSERT_LE(in_flight, 100U);
        ASSERT_GT(in_flight, 0U);
        --in_flight;
        ++seen;
        step = session.on_reply(parse(seen == 252 ? "354 go" : "250 ok"));
    }
    EXPECT_EQ(step.next, Next::Content);
    EXPECT_EQ(seen, 252U);
}

TEST(ClientSession, AYesToDataThatAsksForNothingEndsIt) {
    using Next = ClientStep::Next;
    for (const int code : {250, 220, 334, 399}) {
        ClientSession session(settings());
        session.start();
        session.on_reply({220, {"hello"}});
        ASSERT_EQ(session.on_reply({250, {"mx.example"}}).next, Next::Ready);
        session.send(message({"a"}));
        session.on_reply({250, {"ok"}});
        EXPECT_EQ(session.on_reply({250, {"ok"}}).output, "DATA\r\n");
        EXPECT_EQ(session.on_reply({code, {"well"}}).next, Next::Failed) << code;
        EXPECT_FALSE(session.results()[0].delivered || session.reusable());
        EXPECT_NE(session.trouble().text.find("out of turn"), std::string::npos);
    }
}

TEST(ClientSession, TroubleAtEveryStep) {
    auto with_password = settings();
    with_password.credentials = sasl::Credentials{"user", "secret"};
    auto to_store = settings();
    to_store.protocol = ClientSettings::Protocol::Lmtp;
    auto encrypted = with_password;
    encrypted.encrypted = true;
    auto binary = message({"a"});
    binary.body = mail::BodyType::BinaryMime;
    binary.recipients[0].notify = mail::Notify::Success;
    struct Case {
        ClientSettings how;
        ClientMessage what;
        const Dialogue& lines;
    };
    const Case cases[] = {{settings(), message({"a", "b", "c"}), plain},
                          {settings(), message({"a", "b"}), pipelined},
                          {settings(), forwarded_message(), forwarded},
                          {settings(), message({"a"}), helo},
                          {with_password, message({"a"}), tls},
                          {encrypted, message({"a"}), login},
                          {settings(), binary, chunks},
                          {to_store, message({"a", "b", "c"}), lmtp}};
    for (const auto& [how, what, lines] : cases) {
        const auto smooth = play(how, what, lines);
        EXPECT_EQ(smooth.wrong, "");
        const int replies = smooth.replies;
        for (int i = 0; i < replies; ++i) {
            for (const char* trouble : {"421 4.3.2 going down", "450 4.3.0 not now", "554 5.7.1 go away",
                                        "354 what?", "250 yes", "334 dXNlcg==", "220 hello again",
                                        "535 5.7.8 no", "250-x|250-SIZE 1|250 AUTH PLAIN", "599 9.9.9 odd"}) {
                const auto got = play(how, what, lines, i, trouble);
                EXPECT_TRUE(got.end == Next::Finished || got.end == Next::Failed) << i << " " << trouble;
                for (const auto& result : got.results)
                    EXPECT_TRUE(!result.delivered || (got.content == 1 && result.reply->positive()))
                        << i << " " << trouble;
                for (const auto& result : got.results) {
                    const bool answered = result.reply || result.refused_here.has_value();
                    EXPECT_TRUE(answered || got.end != Next::Finished || !got.reusable)
                        << i << " " << trouble;
                }
                EXPECT_EQ(got.trouble.text.find("secret"), std::string::npos);
            }
        }
    }
}

TEST(ClientSession, ARefusedGreetingIsForGoodOnlyWhereItIsSaidSo) {
    for (const auto& [temporary, reply, class_] : {std::tuple{true, "554 5.7.1 go away", 4},
                                                   {false, "554 5.7.1 go away", 5},
                                                   {false, "421 later", 4}}) {
        auto how = settings();
        how.refused_greeting_is_temporary = temporary;
        ClientSession session(how);
        session.start();
        EXPECT_EQ(session.on_reply(parse(reply)).next, Next::Failed);
        EXPECT_EQ(session.trouble().status.class_, class_) << reply;
    }
}

}  // namespace
}  // namespace smtp
