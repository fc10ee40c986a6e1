#include "mail/mime.hpp"

#include "mail/dsn_reader.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace mail {
namespace {

TEST(Parameters, Rfc2231AndWhatPeopleWrite) {
    struct Case {
        std::string_view value, first, name, parameter;
    };
    for (const auto& [value, first, name, parameter] :
         {Case{"text/plain; charset=utf-8", "text/plain", "charset", "utf-8"},
          {"Text/PLAIN (comment; x=y) ; Charset = \"us-ascii\" (Plain)", "text/plain", "charset", "us-ascii"},
          {"a/b; name=\"a;\\\"b\\\\\"", "a/b", "name", "a;\"b\\"},
          {"attachment; filename*=utf-8''gr%C3%BC%C3%9Fe.txt", "attachment", "filename",
           "gr\xc3\xbc\xc3\x9f"
           "e.txt"},
          {"attachment; filename*=iso-8859-1'de'gr%FC%DFe", "attachment", "filename",
           "gr\xc3\xbc\xc3\x9f"
           "e"},
          {"a/b; url*0=\"ftp://\"; url*1=\"cs.utk.edu/\"", "a/b", "url", "ftp://cs.utk.edu/"},
          {"a/b; t*1*=%2a%2a; t*0*=us-ascii'en'fun; t*2=\"%20\"", "a/b", "t", "fun**%20"},
          {"a/b; t*0=a; t*2=c", "a/b", "t", "a"},
          {"a/b; filename=old; filename*=utf-8''new", "a/b", "filename", "new"},
          {"a/b; name==?utf-8?Q?gr=C3=BC=C3=9Fe?=", "a/b", "name",
           "gr\xc3\xbc\xc3\x9f"
           "e"},
          {"a/b; name=\"=?iso-8859-1?B?Z3L832U=?=\"", "a/b", "name",
           "gr\xc3\xbc\xc3\x9f"
           "e"},
          {"a/b;;; x=1;", "a/b", "x", "1"},
          {"a/b; x", "a/b", "x", ""},
          {"", "", "x", ""},
          {"a/b; x=\"open", "a/b", "x", "open"},
          {"a/b; x*=nothing", "a/b", "x", "nothing"},
          {"a/b; x*999999999999999999=1", "a/b", "x*999999999999999999", "1"}}) {
        const auto got = parse_parameterized(value);
        EXPECT_EQ(got.first, first) << value;
        EXPECT_EQ(got.get(name), parameter) << value;
    }
    std::string many = "a/b";
    for (int i = 0; i < 5000; ++i) many += fmt::format("; x{}=1", i);
    EXPECT_EQ(parse_parameterized(many).parameters.size(), 200U);
}

TEST(EncodedWords, Rfc2047) {
    struct Case {
        std::string_view text, decoded;
    };
    for (const auto& [text, decoded] : {// §8
                                        Case{"(=?ISO-8859-1?Q?a?=)", "(a)"},
                                        {"=?ISO-8859-1?Q?a?= b", "a b"},
                                        {"=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"},
                                        {"=?ISO-8859-1?Q?a?=  \r\n =?ISO-8859-1?Q?b?=", "ab"},
                                        {"=?ISO-8859-1?Q?a_b?=", "a b"},
                                        {"=?utf-8?b?w7w=?=", "\xc3\xbc"},
                                        {"=?utf-8*de?B?w7w=?=", "\xc3\xbc"},
                                        {"plain", "plain"},
                                        {"=?utf-8?x?a?=", "=?utf-8?x?a?="},
                                        {"=?utf-8?q?=FF?=", "=?utf-8?q?=FF?="},
                                        {"=?koi8-r?q?=C1?=", "=?koi8-r?q?=C1?="},
                                        {"=?koi8-r?q?ascii?=", "ascii"},
                                        {"=?utf-8?q?a", "=?utf-8?q?a"},
                                        {"=?=?=", "=?=?="}})
        EXPECT_EQ(decode_encoded_words(text), decoded) << text;
    std::string flood;
    for (int i = 0; i < 100000; ++i) flood += "=?a?q?";
    EXPECT_TRUE(decode_encoded_words(flood) == flood);
}

TEST(Mime, TreeWithOffsets) {
    const std::string message =
        "Content-Type: multipart/mixed; boundary=\"b 1\"\r\nSubject: x\r\n\r\npreamble\r\n--b "
        "1\r\n\r\nfirst\r\n"
        "--b 1 \t\r\nContent-Type: message/rfc822\r\n\r\nFrom: a\r\nContent-Type: text/html; "
        "charset=UTF-8\r\n\r\n<p>\r\n"
        "--b 1\r\nContent-Type: application/pdf; name=x.pdf\r\nContent-Transfer-Encoding: BASE64\r\n"
        "Content-Disposition: attachment; filename=\"y.pdf\"\r\nContent-ID: <i@d>\r\n\r\nYWJj\r\nZGVm\r\n--b "
        "1--\r\nepilogue\r\n";
    const auto root = parse_mime(message);
    ASSERT_EQ(root.parts.size(), 3U);
    EXPECT_TRUE(root.defects.empty());
    EXPECT_EQ(root.field_count, 2U);
    EXPECT_EQ(root.parts[0].body(message), "first") << "the line end before a boundary belongs to it";
    EXPECT_EQ(root.parts[0].type, "text/plain");
    ASSERT_EQ(root.parts[1].parts.size(), 1U);
    EXPECT_EQ(root.parts[1].parts[0].type, "text/html");
    EXPECT_EQ(root.parts[1].parts[0].charset, "utf-8");
    EXPECT_EQ(root.parts[2].filename, "y.pdf");
    EXPECT_EQ(root.parts[2].encoding, "base64");
    EXPECT_EQ(root.parts[2].decoded(message, 100), "abcdef");
    EXPECT_EQ(root.parts[2].decoded(message, 2), "ab");
    EXPECT_EQ(message.substr(root.body_begin, 8), "preamble");
}

TEST(Mime, WhatIsOddIsNoted) {
    const auto defects = [](std::string_view message) {
        const auto root = parse_mime(message);
        return root.defects.empty() ? std::string() : root.defects.front();
    };
    EXPECT_EQ(defects("Content-Type: multipart/mixed\n\nx\n"), "a multipart without a boundary");
    EXPECT_EQ(defects("Content-Type: multipart/mixed; boundary=b\n\nx\n"),
              "the boundary does not stand in the body");
    EXPECT_EQ(defects("Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n"),
              "the closing boundary is missing");
    EXPECT_EQ(defects("Subject: x\nno field here\n\nbody\n"),
              "a line that is no field stands in the header: the body begins there");
    EXPECT_EQ(defects(""), "");
    EXPECT_EQ(parse_mime("Subject: x\n").body_begin, 11U);
    EXPECT_EQ(parse_mime("\nbody").body_begin, 1U);
    std::string deep;
    for (int i = 0; i < 1000; ++i)
        deep += fmt::format("Content-Type: multipart/mixed; boundary=b{0}\n\n--b{0}\n", i);
    std::size_t depth = 0;
    const auto deep_root = parse_mime(deep);
    for (const auto* at = &deep_root; !at->parts.empty(); at = &at->parts[0]) ++depth;
    EXPECT_LE(depth, MimeLimits{}.depth_max);
    std::string many = "Content-Type: multipart/mixed; boundary=b\n\n";
    for (int i = 0; i < 5000; ++i) many += "--b\n\nx\n";
    EXPECT_LT(parse_mime(many).parts.size(), MimeLimits{}.parts_max);
    EXPECT_EQ(parse_mime("Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: y\n\nx\n--b--\n")
                  .parts[0]
                  .type,
              "message/rfc822");
}

TEST(Returned, DeliveryStatus) {
    ReturnedMail got;
    read_delivery_status(
        "Reporting-MTA: dns; mx.example.net\r\nOriginal-Envelope-Id: e1\r\n\r\n"
        "Final-Recipient: rfc822; <ann@example.org>\r\nAction: FAILED\r\nStatus: 5.1.1\r\nDiagnostic-Code: "
        "smtp; 550\r\n  5.1.1 no such user\r\n"
        "\r\n\r\nOriginal-Recipient: rfc822;bob@example.org\nAction: delayed\nWill-Retry-Until: "
        "tomorrow\n\nX-Odd: 1\n",
        {}, got);
    EXPECT_EQ(got.reporting_mta, "dns; mx.example.net");
    EXPECT_EQ(got.original_envelope_id, "e1");
    ASSERT_EQ(got.recipients.size(), 2U);
    EXPECT_EQ(got.recipients[0].address(), "ann@example.org");
    EXPECT_EQ(got.recipients[0].action, "failed");
    EXPECT_EQ(got.recipients[0].diagnostic_code, "smtp; 550 5.1.1 no such user");
    EXPECT_EQ(got.recipients[1].address(), "bob@example.org");
    EXPECT_EQ(got.recipients[1].will_retry_until, "tomorrow");
    std::string flood;
    for (int i = 0; i < 100000; ++i) flood += "Action: failed\n\n";
    ReturnedMail bounded;
    read_delivery_status(flood, {}, bounded);
    EXPECT_LE(bounded.recipients.size(), ReturnedLimits{}.recipients_max);
}

TEST(Returned, Kinds) {
    using Kind = ReturnedMail::Kind;
    struct Case {
        std::string_view message;
        Kind kind;
    };
    for (const auto& [message, kind] :
         {Case{"From: ann@example.org\n\nhello bob@example.org\n", Kind::None},
          {"From: MAILER-DAEMON@example.org\nSubject: failure\n\nNo such user: <bob@example.org>.\n",
           Kind::Prose},
          {"From: ann@example.org\nAuto-Submitted: auto-replied (vacation)\n\nI am away\n",
           Kind::AutomaticReply},
          {"Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: "
           "message/feedback-report\n\nFeedback-Type: abuse\n\n--b--\n",
           Kind::Feedback},
          {"Auto-Submitted: auto-replied\nContent-Type: multipart/report; boundary=b\n\n--b\nContent-Type: "
           "message/delivery-status\n\nAction: failed\n\n--b--\n",
           Kind::DeliveryStatus}})
        EXPECT_EQ(read_returned_mail(message).kind, kind) << message;
    EXPECT_EQ(read_returned_mail("From: MAILER-DAEMON@x.example\n\nNo such user: "
                                 "<bob@example.org>.\nReceived: by ann@example.net\n")
                  .mentioned,
              std::vector<std::string>{"bob@example.org"});
}

}  // namespace
}  // namespace mail
