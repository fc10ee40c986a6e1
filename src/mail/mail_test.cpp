// Status codes, xtext, dates, the header scanner and the trace field.
#include "mail/address_list.hpp"
#include "mail/authentication_results.hpp"
#include "mail/author.hpp"
#include "mail/date.hpp"
#include "mail/header.hpp"
#include "mail/received.hpp"
#include "mail/status.hpp"
#include "mail/xtext.hpp"

#include <gtest/gtest.h>

namespace mail {
namespace {

TEST(Status, IsReadOnlyWhereItStands) {
    EXPECT_EQ(Status::parse_prefix("5.1.1 no such user"), (Status{5, 1, 1}));
    EXPECT_EQ(Status::parse_prefix("2.0.0"), (Status{2, 0, 0}));
    EXPECT_EQ(Status::parse_prefix("4.7.999 x"), (Status{4, 7, 999}));
    for (const auto* none : {"", "5.1", "5.1.1no", "3.1.1 x", "5..1", "5.1.1234 x", "x5.1.1", "5.1.1.1"})
        EXPECT_EQ(Status::parse_prefix(none), std::nullopt) << none;
}

TEST(Xtext, DecodesStrictly) {
    EXPECT_EQ(decode_xtext("a+2Bb+3Dc"), "a+b=c");
    EXPECT_EQ(encode_xtext("a+b=c d"), "a+2Bb+3Dc+20d");
    for (const auto* wrong : {"a+2", "a+", "a=b", "a b", "a+0D+0A", "+00", "a+2g", "\x80"})
        EXPECT_EQ(decode_xtext(wrong), std::nullopt) << wrong;
}

TEST(Date, LooksAsRfc5322Says) {
    const TimePoint at{std::chrono::seconds(1795460713)};
    EXPECT_EQ(format_date(at, std::chrono::minutes(0)), "Mon, 23 Nov 2026 19:05:13 +0000");
    EXPECT_EQ(format_date(at, std::chrono::minutes(60)), "Mon, 23 Nov 2026 20:05:13 +0100");
    EXPECT_EQ(format_date(at, std::chrono::minutes(-570)), "Mon, 23 Nov 2026 09:35:13 -0930");
}

TEST(HeaderScanner, CountsTheSameHoweverTheOctetsArrive) {
    const std::string message =
        "Received: one\r\n\tfolded Received: no\r\nreceived : two\r\nMessage-ID:\r\n <x@y>\r\nFrom: "
        "a@b\r\nTo: c@d\r\nDelivered-To: e@f\r\n\r\nReceived: in the body\r\n";
    for (std::size_t cut = 0; cut <= message.size(); ++cut) {
        HeaderScanner scanner;
        scanner.feed(message.substr(0, cut));
        scanner.feed(message.substr(cut));
        scanner.finish();
        EXPECT_EQ(scanner.received_count(), 2) << cut;
        EXPECT_EQ(scanner.message_id(), "<x@y>") << cut;
        EXPECT_TRUE(scanner.has_from()) << cut;
        EXPECT_FALSE(scanner.has_date()) << cut;
        EXPECT_EQ(scanner.delivered_to(), std::vector<std::string>{"e@f"}) << cut;
    }
}

TEST(HeaderScanner, KeepsLittleOfAHeaderWithoutEnd) {
    HeaderScanner scanner;
    for (int i = 0; i < 10000; ++i) scanner.feed("Delivered-To: " + std::string(100, 'x') + "\r\n");
    EXPECT_EQ(scanner.delivered_to().size(), HeaderLimits{}.delivered_to_max);
}

Envelope sample() {
    Envelope envelope;
    envelope.origin.helo = "client.example.net";
    envelope.origin.client_name = "mx.example.net";
    envelope.origin.client_address = "192.0.2.7";
    envelope.origin.protocol = "ESMTPS";
    envelope.origin.tls_protocol = "TLSv1.3";
    envelope.origin.tls_cipher = "X (256/256 bits)";
    envelope.recipients.resize(1);
    envelope.recipients[0].address = {"bob", "example.org"};
    envelope.recipients[0].original = {"bob", "example.org"};
    return envelope;
}

TEST(Received, NamesClientProtocolAndTheSingleRecipient) {
    TraceOptions options;
    options.host_name = "mail.example.com";
    const TimePoint at{std::chrono::seconds(1795460713)};
    const std::string field = received_field(sample(), options, "4QABC", at, std::chrono::minutes(0));
    EXPECT_TRUE(field.starts_with("Received: from client.example.net (mx.example.net [192.0.2.7])\r\n"))
        << field;
    EXPECT_NE(field.find("by mail.example.com (Postrider) with ESMTPS id 4QABC"), std::string::npos) << field;
    EXPECT_NE(field.find("for <bob@example.org>; Mon, 23 Nov 2026 19:05:13 +0000"), std::string::npos)
        << field;
    Envelope two = sample();
    two.recipients.push_back(two.recipients.front());
    EXPECT_EQ(received_field(two, options, "4QABC", at, std::chrono::minutes(0)).find("bob@"),
              std::string::npos);
}

TEST(Received, NothingThatAPeerSaidBreaksOut) {
    Envelope envelope = sample();
    envelope.origin.helo = "x\r\nEvil: yes\r\n\r\nbody (";
    const std::string field = received_field(envelope, {}, "4QABC", TimePoint{}, std::chrono::minutes(0));
    for (std::size_t at = field.find("\r\n"); at + 2 < field.size(); at = field.find("\r\n", at + 2))
        EXPECT_EQ(field[at + 2], '\t') << field;
}

TEST(Received, TellsOfTheTlsSession) {
    TraceOptions options;
    options.key_exchange = "X25519";
    options.server_signature = "RSA-PSS (2048 bits) server-digest SHA256";
    options.client_signature = "ECDSA (prime256v1) client-digest SHA256";
    options.client_certificate = certificate_comment("a\"b) evil", "C\\A", "verified OK");
    const auto text = [&](const Envelope& envelope) {
        return received_field(envelope, options, "4QABC", TimePoint{}, std::chrono::minutes(0));
    };
    EXPECT_NE(text(sample()).find("\r\n\t(using TLSv1.3 with cipher X (256/256 bits)"
                                  "\r\n\t key-exchange X25519 server-signature RSA-PSS (2048 bits) "
                                  "server-digest SHA256"
                                  "\r\n\t client-signature ECDSA (prime256v1) client-digest SHA256)"
                                  "\r\n\t(Client CN \"a?b? evil\", Issuer \"C?A\" (verified OK))\r\n\tby "),
              std::string::npos)
        << text(sample());
    Envelope clear = sample();
    clear.origin.tls_protocol.clear();
    EXPECT_EQ(text(clear).find("key-exchange"), std::string::npos);
    options.hide_client = true;
    options.authenticated_user = true;
    EXPECT_TRUE(text(sample()).starts_with("Received: by  (Postrider) with ESMTPS id 4QABC\r\n\tfor <bob@"))
        << text(sample());
}

TEST(AuthenticationResults, NothingSaidCanBendIt) {
    AuthenticationMethod spf{
        "spf", "pass", "a)b(c\\", "it \"says\"", {{"smtp.mailfrom", "\"a b\"; dkim=pass\r\nX: y"}}};
    const auto field = authentication_results_field("mx.example", {spf});
    EXPECT_EQ(field.find("\r\nX"), std::string::npos);
    EXPECT_EQ(authserv_id_of(field.substr(field.find(':') + 1)), "mx.example");
    const auto results = results_of(field.substr(field.find(':') + 1));
    EXPECT_EQ(results_for(results, "spf"), std::vector<std::string>{"pass"});
    EXPECT_TRUE(results_for(results, "dkim").empty());
    EXPECT_EQ(authentication_results_text({}), "none");
}

TEST(AuthenticationResults, Values) {
    // RFC 8601 §2.2: a token of RFC 2045, an address, or a quoted string.
    for (const auto& [value, written] : {std::pair<std::string, std::string>{"example.org", "example.org"},
                                         {"ann@example.org", "ann@example.org"},
                                         {"@example.org", "@example.org"},
                                         {"SRS0=a/b=c@example.org", "SRS0=a/b=c@example.org"},
                                         {"a..b@example.org", "\"a..b@example.org\""},
                                         {"a;b@example.org", "\"a;b@example.org\""},
                                         {"\"a b\"@example.org", "\"\\\"a b\\\"@example.org\""},
                                         {"ann@[192.0.2.1]", "\"ann@[192.0.2.1]\""},
                                         {"ann@exa(mple.org", "\"ann@exa(mple.org\""},
                                         {"q7/Wz+1a", "\"q7/Wz+1a\""},
                                         {"q7aWz+1a", "q7aWz+1a"},
                                         {"2001:db8::1", "\"2001:db8::1\""},
                                         {std::string("a\0b", 3), "\"a?b\""},
                                         {"a\r\nX: y", "\"a??X: y\""},
                                         {"\x80", "\"?\""},
                                         {"b\xc3\xbc"
                                          "cher.example",
                                          "\"b\xc3\xbc"
                                          "cher.example\""},
                                         {"", "\"\""}}) {
        const AuthenticationMethod one{"x", "pass", "", "", {{"smtp.mailfrom", value}}};
        EXPECT_EQ(authentication_results_text({one}), "x=pass\r\n\t smtp.mailfrom=" + written);
    }
}

TEST(AuthenticationResults, Reading) {
    EXPECT_EQ(authserv_id_of(" (c (d)) \"Mx.Example\" 1; none"), "mx.example");
    EXPECT_EQ(authserv_id_of(" mx.example; spf=pass"), "mx.example");
    EXPECT_FALSE(authserv_id_of(" \"open"));
    EXPECT_FALSE(authserv_id_of(""));
    // Our id in other clothes; and what two readers might read differently.
    for (const auto* text :
         {" MX.example; x", "\r\n\tmx.example ; x", " mx.example 1; x", " mx.example(c); x", "mx.example",
          " \"mx.example\" 2 ; x", " \"mx\\.example\"; x", " mx.example.; x", "(;) mx.example; x"})
        EXPECT_EQ(authserv_id_of(text), "mx.example") << text;
    EXPECT_FALSE(authserv_id_of(std::string_view(" mx.example\0; x", 15)));
    EXPECT_FALSE(authserv_id_of(" \"mx.example\r\n \"; x"));
    EXPECT_EQ(results_of(" mx (a;b) 1 (;) ; spf=pass "), "spf=pass");
    EXPECT_EQ(results_of(" mx 1"), "");
    const auto all = results_of("a; dmarc=pass; arc=fail (x; arc=pass) reason=\"y; arc=none\"; dkim/1=pass");
    EXPECT_EQ(results_for(all, "arc"), std::vector<std::string>{"fail"});
    EXPECT_EQ(results_for(all, "dkim"), std::vector<std::string>{"pass"});
}

TEST(Author, Domains) {
    const auto one =
        find_author("To: x@y\r\nFrom: \"A, B\" <ann@Example.ORG>\r\n\t(c)\r\nSubject: From: z@w\r\n");
    EXPECT_EQ(one.domains, std::vector<std::string>{"example.org"});
    EXPECT_EQ(one.from_fields, 1U);
    const auto two = find_author("From: a@one.example, b@two.example\r\nfrom : c@one.example\r\n");
    EXPECT_EQ(two.from_fields, 2U);
    EXPECT_EQ(two.domains.size(), 2U);
    EXPECT_EQ(find_author("Subject: x\r\n").from_fields, 0U);
    EXPECT_TRUE(find_author("From: nobody\r\n").unreadable);
    EXPECT_EQ(find_author("From: a@b\xc3\xbc"
                          "cher.example\r\n")
                  .domains,
              std::vector<std::string>{"xn--bcher-kva.example"});
}

TEST(AddressList, SaysWhereAddressesStand) {
    struct Case {
        std::string_view text;
        std::vector<std::string_view> places;
    };
    for (const auto& [text, places] :
         {Case{" root (Cron Daemon)\r\n", {"root"}},
          Case{" \"A, B\" <ann@example.org>, bob", {"ann@example.org", "bob"}},
          Case{" team: a@b, (x) c@d ;\r\n", {"a@b", "c@d"}}, Case{" <@r.example:a@b>", {"@r.example:a@b"}},
          Case{" two words, <>, undisclosed:;", {}}, Case{" \"a b\"@c.example\r\n", {"\"a b\"@c.example"}}}) {
        const auto list = parse_address_list(text);
        ASSERT_EQ(list.places.size(), places.size()) << text;
        ASSERT_EQ(list.addresses.size(), places.size()) << text;
        for (std::size_t i = 0; i < places.size(); ++i)
            EXPECT_EQ(text.substr(list.places[i].begin, list.places[i].end - list.places[i].begin),
                      places[i]);
    }
}

}  // namespace
}  // namespace mail
