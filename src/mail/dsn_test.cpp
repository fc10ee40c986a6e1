#include "mail/dsn.hpp"

#include "base/text.hpp"

#include <gtest/gtest.h>

namespace mail {
namespace {

DsnInput input() {
    DsnInput out;
    out.reporting_mta = "mail.example.com";
    out.queue_id = "4Q1";
    out.to = {"ann", "example.org"};
    out.from_domain = "mail.example.com";
    out.words = built_in_bounce_templates().failure;
    DsnRecipient recipient;
    recipient.recipient.address = recipient.recipient.original = {"bob", "far.example"};
    recipient.status = {5, 1, 1};
    recipient.text = "host mx.far.example said: 550 5.1.1 unbekannt: b\xc3\xb6se";
    recipient.diagnostic = "smtp; 550 5.1.1 unbekannt: b\xc3\xb6se";
    out.recipients.push_back(recipient);
    out.boundary = "b/mail.example.com";
    out.message_id = "<new@mail.example.com>";
    return out;
}

std::string status_of(const DsnText& text) {
    const auto begin = text.before.find("delivery-status\r\n");
    return text.before.substr(begin, text.before.find("\r\n--b/", begin) - begin);
}

TEST(Dsn, StatusIsAsciiUnlessTheMessageIsInternational) {
    auto plain = input();
    const auto text = compose_dsn(plain);
    EXPECT_TRUE(base::is_ascii(status_of(text)));
    EXPECT_NE(text.before.find("charset=utf-8"), std::string::npos) << "the server's words for people";
    EXPECT_EQ(text.body, BodyType::EightBitMime);
    plain.recipients[0].text = plain.recipients[0].diagnostic = "plain";
    EXPECT_EQ(compose_dsn(plain).body, BodyType::SevenBit);
    EXPECT_EQ(compose_dsn(plain).before.find("8bit"), std::string::npos);

    auto international = input();
    international.smtputf8 = true;
    international.recipients[0].recipient.address.local_part = "b\xc3\xb6se";
    const auto global = compose_dsn(international).before;
    EXPECT_NE(global.find("Content-Type: message/global-delivery-status"), std::string::npos);
    EXPECT_NE(global.find("Final-Recipient: utf-8; b\xc3\xb6se@far.example"), std::string::npos);
    EXPECT_NE(global.find("Content-Type: message/global\r\n"), std::string::npos);
    international.original = DsnInput::Original::HeadersOnly;
    EXPECT_NE(compose_dsn(international).before.find("message/global-headers"), std::string::npos);
}

TEST(Dsn, AsTheTemplateSays) {
    auto in = input();
    in.words = {"us-ascii", "Post (The Post)", "Back to you", "A copy", "Words of ours.\n"};
    in.about_message_id = "<old@example.org>";
    const auto text = compose_dsn(in).before;
    EXPECT_NE(
        text.find(
            "From: Post@mail.example.com (The Post)\r\nSubject: Back to you\r\nTo: ann@example.org\r\n"),
        std::string::npos);
    EXPECT_NE(text.find("References: <old@example.org>\r\nIn-Reply-To: <old@example.org>\r\n"),
              std::string::npos);
    EXPECT_NE(text.find("Words of ours.\r\n"), std::string::npos);
    in.whom = DsnInput::For::Postmaster;
    EXPECT_NE(compose_dsn(in).before.find("Subject: A copy\r\n"), std::string::npos);
    in.words.from = "ops@example.com";
    in.words.charset = "iso-8859-1";
    const auto latin = compose_dsn(in).before;
    EXPECT_NE(latin.find("From: ops@example.com\r\n"), std::string::npos);
    EXPECT_NE(latin.find("charset=iso-8859-1"), std::string::npos);
    EXPECT_TRUE(base::is_ascii(latin)) << "the server's UTF-8 cannot stand in it";
}

TEST(BounceTemplates, AreReadAndFilledIn) {
    auto templates = built_in_bounce_templates();
    const auto parsed = parse_bounce_templates(
        "# ours\n\nfailure_template = <<EOF\nCharset: utf-8\nFrom: MAILER-DAEMON (Post)\nSubject: Zur\xc3\xbc"
        "ck\n\nx\nEOF\n",
        templates);
    ASSERT_FALSE(parsed);
    EXPECT_NE(parsed.error().find("line 6"), std::string::npos) << parsed.error();
    const auto good = parse_bounce_templates(
        "failure_template = <<END\r\nCharset: utf-8\r\nFrom: Post\r\nSubject: Back from $host\r\n\r\n"
        "Gr\xc3\xbc\xc3\x9f"
        "e von ${host}, $(host): 5 $$\r\nEND\r\n",
        templates);
    ASSERT_TRUE(good) << good.error();
    const auto value_of = [](std::string_view name) -> std::optional<std::string> {
        if (name == "host") return "h.example";
        if (name == "myhostname") return "mail.example.com";
        return std::nullopt;
    };
    ASSERT_TRUE(fill_in_names(templates, value_of));
    EXPECT_EQ(templates.failure.subject, "Back from h.example");
    EXPECT_EQ(templates.failure.text,
              "Gr\xc3\xbc\xc3\x9f"
              "e von h.example, h.example: 5 $\n");
    EXPECT_NE(templates.delay.text.find("mail.example.com"), std::string::npos) << "the built-in ones, too";
}

TEST(BounceTemplates, WrongOnesAreSaid) {
    struct Case {
        const char *text, *says;
    };
    const Case cases[] = {
        {"other_template = <<EOF\nEOF\n", "line 1: 'other_template' is not one of"},
        {"failure_template = x\n", "begins with"},
        {"failure_template = <<EOF\nFrom: a\nSubject: b\n\nx\n", "has no end"},
        {"failure_template = <<EOF\nSubject: b\n\nx\nEOF\n", "needs From: and Subject:"},
        {"failure_template = <<EOF\nFrom: a\nSubject: b\nEOF\n", "no text"},
        {"failure_template = <<EOF\nFrom: a\nX-Odd: b\n\nx\nEOF\n", "line 3: only Charset:"},
        {"failure_template = <<EOF\nFrom: a\nnonsense\n\nx\nEOF\n", "line 3"},
        {"failure_template = <<EOF\nFrom: a\nSubject: b\n\n\xff\nEOF\n", "name its Charset"},
        {"failure_template = <<EOF\nCharset: utf-8\nFrom: a\nSubject: b\n\n\xff\nEOF\n", "not UTF-8"}};
    for (const auto& [text, says] : cases) {
        auto templates = built_in_bounce_templates();
        const auto parsed = parse_bounce_templates(text, templates);
        ASSERT_FALSE(parsed) << says;
        EXPECT_NE(parsed.error().find(says), std::string::npos) << parsed.error();
    }
    auto templates = built_in_bounce_templates();
    const auto nothing = [](std::string_view) { return std::optional<std::string>{}; };
    EXPECT_FALSE(fill_in_names(templates, nothing));
    templates.failure.text = "5 $ and more";
    EXPECT_FALSE(fill_in_names(templates, nothing));
}

}  // namespace
}  // namespace mail
