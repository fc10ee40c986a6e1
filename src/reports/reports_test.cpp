#include "base/base64.hpp"
#include "reports/aggregate.hpp"
#include "reports/archive.hpp"
#include "reports/extract.hpp"
#include "reports/report_json.hpp"
#include "reports/report_mail.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <zlib.h>

namespace reports {
namespace {

AggregateReport sample() {
    AggregateReport out;
    out.version = "1.0";
    out.org_name = "Ärger & <Söhne>";
    out.email = "postmaster@example.net";
    out.report_id = "1700006400-1700092799.example.org@example.net";
    out.generator = "Postrider";
    out.errors = {"a tag \"rua\" is odd"};
    out.begin = 1700006400;
    out.end = 1700092799;
    out.policy = {"example.org", "treewalk", "reject", "reject", "quarantine", "r", "s", "1:d", "n", ""};
    AggregateRow row;
    row.source_ip = "2001:db8::1";
    row.count = 17;
    row.disposition = "none";
    row.dkim = "fail";
    row.spf = "fail";
    row.reasons = {{"trusted_forwarder", "arc=pass of lists.example.com"}};
    row.header_from = "news.example.org";
    row.envelope_from = "";
    row.dkim_results = {{"example.org", "s1", "fail", "the body has changed"},
                        {"lists.example.com", "l", "pass", ""}};
    row.spf_results = {{"lists.example.com", "mfrom", "pass", ""}};
    out.rows = {row, row};
    out.rows[1].source_ip = "192.0.2.7";
    out.rows[1].count = 1;
    return out;
}

TEST(AggregateXml, WrittenAndReadIsTheSame) {
    const auto report = sample();
    const std::string xml = to_xml(report);
    EXPECT_NE(xml.find("<org_name>Ärger &amp; &lt;Söhne&gt;</org_name>"), std::string::npos) << xml;
    const auto read = parse_aggregate_xml(xml);
    ASSERT_TRUE(read) << read.error();
    EXPECT_EQ(*read, report) << dump(to_json(*read));
    EXPECT_EQ(read->messages(), 18U);
    EXPECT_EQ(aggregate_from_json(to_json(report)), report);
    EXPECT_EQ(parse_aggregate_xml(to_xml(*read)), *read);
}

TEST(AggregateXml, WhatMessagesSayCannotBendIt) {
    auto report = sample();
    report.rows[0].header_from = "</header_from><count>9</count>\x01&lt;";
    report.rows[0].envelope_from = "\xff\xfe";
    const auto read = parse_aggregate_xml(to_xml(report));
    ASSERT_TRUE(read) << read.error();
    EXPECT_EQ(read->rows.size(), 2U);
    EXPECT_EQ(read->rows[0].count, 17U);
    EXPECT_EQ(read->rows[0].header_from, "</header_from><count>9</count>?&lt;");
    EXPECT_EQ(read->rows[0].envelope_from, "??");
}

constexpr std::string_view row_text =
    "<record><row><source_ip>192.0.2.1</source_ip><count>2</count><policy_evaluated><disposition>none</"
    "disposition>"
    "<dkim>pass</dkim><spf>fail</spf></policy_evaluated></row><identifiers><header_from>Example.ORG</"
    "header_from>"
    "</identifiers><auth_results/></record>";

std::string document(std::string_view inside) {
    return fmt::format(
        "<feedback><report_metadata><org_name>o</org_name><email>e</email><report_id>i</"
        "report_id><date_range><begin>"
        "1</begin><end>2</end></date_range></report_metadata><policy_published><domain>example.org.</domain>"
        "<p>none</p></policy_published>{}</feedback>",
        inside);
}

TEST(AggregateXml, FaultsOfRealSendersAreTolerated) {
    struct Case {
        std::string xml;
        std::size_t rows;
        std::string problem;  // part of the one that is noted; empty: none
    };
    const std::string row(row_text);
    const auto changed = [&](std::string_view from, std::string_view to) {
        std::string out = row;
        return document(out.replace(out.find(from), from.size(), to));
    };
    const std::string whole = document(row + row);
    const Case cases[] = {
        {document(row), 1, ""},
        {"\xef\xbb\xbf<?xml version='1.0'?>\n" + document(row), 1, ""},
        {"<!DOCTYPE feedback [<!ENTITY a \"aaaa\">]>" + document(row), 1, ""},
        {changed("192.0.2.1", "unknown"), 1, "source_ip 'unknown' is no address"},
        {changed("<count>2", "<count>two"), 0, "count is 'two'"},
        {changed("<count>2", "<count>-2"), 0, "count is '-2'"},
        {changed("<dkim>pass</dkim>", ""), 1, "policy_evaluated/dkim is ''"},
        {changed("<spf>fail</spf>", "<spf>fail</spf><reason></reason>"), 1, ""},
        {whole.substr(0, whole.size() - 60), 1, "what stands before it is read"},
        {document(""), 0, "it has no record"},
    };
    for (const auto& [xml, rows, problem] : cases) {
        const auto read = parse_aggregate_xml(xml);
        ASSERT_TRUE(read) << read.error() << "\n" << xml;
        EXPECT_EQ(read->rows.size(), rows) << xml;
        EXPECT_EQ(read->policy.domain, "example.org");
        if (rows > 0) {
            EXPECT_EQ(read->rows[0].header_from, "example.org");
        }
        if (problem.empty()) {
            EXPECT_TRUE(read->problems.empty()) << xml;
        } else {
            ASSERT_FALSE(read->problems.empty()) << xml;
            EXPECT_NE(read->problems.front().find(problem), std::string::npos) << read->problems.front();
        }
    }
}

TEST(AggregateXml, WhatIsNoReportIsAnErrorWithItsPlace) {
    for (const auto& [xml, error] :
         {std::pair{std::string("<html/>"), "no feedback element"},
          {"<feedback><policy_published/></feedback>", "names no policy domain"},
          {"<feedback><policy_published><domain>..</domain></policy_published></feedback>",
           "names no policy domain"},
          {"<feedback>\n<email><a@b></email>", "line 2"},
          {"", "line 1"},
          {"<feedback" + std::string(700'000, '<'), "pieces of markup"},
          {std::string(17UL << 20, ' '), "larger than"}}) {
        const auto read = parse_aggregate_xml(xml);
        ASSERT_FALSE(read);
        EXPECT_NE(read.error().find(error), std::string::npos) << read.error();
    }
}

TEST(AggregateXml, EntitiesAreNotExpandedAndDepthCostsNothing) {
    std::string bomb = "<!DOCTYPE f [<!ENTITY a \"boom\"><!ENTITY b \"&a;&a;&a;&a;\">]>";
    bomb += document(std::string(row_text).replace(row_text.find("Example.ORG"), 11, "&b;"));
    const auto read = parse_aggregate_xml(bomb);
    ASSERT_TRUE(read) << read.error();
    EXPECT_EQ(read->rows[0].header_from, "&b;");
    std::string deep = document(row_text);
    std::string opened, closed;
    for (int i = 0; i < 100'000; ++i) {
        opened += "<x>";
        closed += "</x>";
    }
    deep.insert(deep.find("<record>"), opened + closed);
    const auto nested = parse_aggregate_xml(deep);
    ASSERT_TRUE(nested) << nested.error();
    EXPECT_EQ(nested->rows.size(), 1U);
    std::string open_records = "<feedback><policy_published><domain>d</domain></policy_published>";
    for (int i = 0; i < 400'000; ++i) open_records += "<record>";
    const auto unclosed = parse_aggregate_xml(open_records);
    ASSERT_TRUE(unclosed) << unclosed.error();
    EXPECT_TRUE(unclosed->rows.empty());
}

TEST(AggregateXml, RowsAreLimited) {
    AggregateLimits limits;
    limits.rows_max = 2;
    const std::string row(row_text);
    const auto read = parse_aggregate_xml(document(row + row + row), limits);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->rows.size(), 2U);
    ASSERT_FALSE(read->problems.empty());
    EXPECT_EQ(read->problems.front(), "3 records; only the first 2 are read");
}

// A zip of one entry, with its directory.
std::string zip_of(std::string_view name, std::string_view content, unsigned method, std::string_view packed,
                   unsigned flags = 0) {
    const auto number = [](std::uint64_t value, int octets) {
        std::string out;
        for (int i = 0; i < octets; ++i) {
            out += static_cast<char>(value & 0xff);
            value >>= 8;
        }
        return out;
    };
    const std::string middle = number(20, 2) + number(flags, 2) + number(method, 2) + number(0, 8) +
                               number(packed.size(), 4) + number(content.size(), 4) + number(name.size(), 2) +
                               number(0, 2);
    const std::string local = "PK\x03\x04" + middle + std::string(name) + std::string(packed);
    const std::string central =
        "PK\x01\x02" + number(20, 2) + middle + number(0, 2 + 2 + 2 + 4) + number(0, 4) + std::string(name);
    return local + central + "PK\x05\x06" + number(0, 4) + number(1, 2) + number(1, 2) +
           number(central.size(), 4) + number(local.size(), 4) + number(0, 2);
}

// gzip's deflate stream without its frame (RFC 1952 §2.3: ten octets before, eight behind).
std::string raw_deflate(std::string_view content) {
    const auto packed = gzip(content);
    return packed.substr(10, packed.size() - 18);
}

TEST(Archive, GzipAndZipComeBack) {
    const std::string text(100'000, 'a');
    EXPECT_EQ(gunzip(gzip(text)), text);
    EXPECT_EQ(gunzip(gzip("")), "");
    EXPECT_EQ(gunzip(gzip("one") + gzip("two") + "padding"), "onetwo");
    EXPECT_EQ(gzip(text), gzip(text));
    for (const auto& packed : {zip_of("r.xml", text, 8, raw_deflate(text)), zip_of("r.xml", text, 0, text)}) {
        const auto back = unzip(packed);
        ASSERT_TRUE(back) << back.error();
        ASSERT_EQ(back->entries.size(), 1U);
        EXPECT_EQ(back->entries[0].name, "r.xml");
        EXPECT_EQ(back->entries[0].content, text);
    }
}

TEST(Archive, BombsAndDamageAreErrors) {
    ArchiveLimits small;
    small.octets_max = 1000;
    const std::string text(100'000, 'a');
    EXPECT_EQ(gunzip(gzip(text), small).error(), "unpacked it is larger than 1000 octets");
    const auto zipped = zip_of("r.xml", text, 8, raw_deflate(text));
    const auto bomb = unzip(zipped, small);
    ASSERT_TRUE(bomb);
    EXPECT_TRUE(bomb->entries.empty());
    EXPECT_EQ(bomb->problems.front(), "r.xml: unpacked it is larger than 1000 octets");
    for (std::size_t n = 0; n < zipped.size(); ++n) EXPECT_FALSE(unzip(zipped.substr(0, n)));
    const auto packed = gzip("some text that is long enough");
    for (std::size_t n = 0; n < packed.size(); ++n) EXPECT_FALSE(gunzip(packed.substr(0, n))) << n;
    EXPECT_EQ(unzip(zip_of("r", "x", 0, "x", 1))->problems.front(), "r: it is encrypted");
    EXPECT_EQ(unzip(zip_of("r", "x", 14, "x"))->problems.front(),
              "r: its compression method 14 is not known");
}

std::string mail_with(std::string_view type, std::string_view name, std::string_view content) {
    return fmt::format(
        "From: reporter@example.net\r\nSubject: Report Domain: example.org\r\nContent-Type: "
        "multipart/mixed;\r\n"
        "\tboundary=\"a b\"\r\n\r\npreamble\r\n--a b\r\n\r\nHello, <b>people</b>.\r\n--a b\r\nContent-Type: "
        "{}\r\n"
        "Content-Disposition: attachment;\r\n filename=\"{}\"\r\nContent-Transfer-Encoding: "
        "base64\r\n\r\n{}\r\n--a b--\r\n",
        type, name, base::base64_encode(content));
}

TEST(Extract, FindsTheReportInEachForm) {
    const std::string xml = document(row_text);
    const std::string json =
        R"({"organization-name":"o","policies":[{"policy":{"policy-type":"sts","policy-domain":"A.example"},)"
        R"("summary":{"total-successful-session-count":3,"total-failure-session-count":1}}]})";
    for (const auto& content : {xml, gzip(xml), zip_of("r.xml", xml, 8, raw_deflate(xml)),
                                zip_of("r.xml.gz", xml, 0, gzip(xml)), json, gzip(json)}) {
        for (const auto& input : {content, mail_with("application/octet-stream", "r", content)}) {
            const auto found = extract_reports(input);
            ASSERT_EQ(found.reports.size(), 1U) << found.problems.front();
            EXPECT_TRUE(found.problems.empty());
            if (const auto* report = std::get_if<AggregateReport>(&found.reports[0]))
                EXPECT_EQ(report->messages(), 2U);
            else
                EXPECT_EQ(std::get<TlsReport>(found.reports[0]).policies[0].domain, "a.example");
        }
    }
    const auto mail = extract_reports(mail_with("text/xml", "r.xml", xml));
    EXPECT_EQ(mail.from, "reporter@example.net");
    EXPECT_EQ(mail.subject, "Report Domain: example.org");
}

TEST(Extract, WhatHoldsNoneSaysWhy) {
    for (const auto& [input, problem] :
         {std::pair{std::string("From: ann@example.org\r\n\r\nHello.\r\n"),
                    "no part of the mail is a report"},
          {mail_with("application/gzip", "r.gz", gzip("<html/>")),
           "r.gz: the XML has no feedback element: it is no aggregate report"},
          {mail_with("application/gzip", "r.gz", gzip(gzip(gzip("<feedback/>")))), "r.gz: packed too often"},
          {std::string("{\"a\": 1}"), "the file: the JSON has no policies: it is no TLS report"},
          {std::string("{" + std::string(300'000, '[')), "the file: the JSON has more than 200000 values"},
          {std::string("From "), "no part of the mail is a report"},
          {std::string(), "no part of the mail is a report"}}) {
        const auto found = extract_reports(input);
        EXPECT_TRUE(found.reports.empty());
        ASSERT_FALSE(found.problems.empty());
        EXPECT_EQ(found.problems.front(), problem);
    }
}

TEST(Extract, PartsAndDepthAreLimited) {
    std::string many = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
    for (int i = 0; i < 5000; ++i) many += "--b\r\n\r\nx\r\n";
    EXPECT_EQ(mime_parts(many).size(), 100U);
    std::string deep;
    for (int i = 0; i < 5000; ++i)
        deep += fmt::format("Content-Type: multipart/mixed; boundary=b{}\r\n\r\n--b{}\r\n", i, i);
    EXPECT_EQ(mime_parts(deep).size(), 1U);
}

TEST(Failure, FieldsOfTheFormat) {
    const auto found = extract_reports(
        "Content-Type: multipart/report; report-type=feedback-report; boundary=x\r\n\r\n--x\r\n\r\nTo "
        "people.\r\n"
        "--x\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: auth-failure\r\nVersion: 1\r\n"
        "User-Agent: Test/1\r\nAuth-Failure: dmarc\r\nSource-IP: 192.0.2.9 (name.example.com)\r\nIncidents: "
        "3\r\n"
        "Reported-Domain: Example.org\r\nOriginal-Mail-From: <eve@example.com>\r\nOriginal-Rcpt-To: "
        "<ann@example.net>\r\n"
        "Authentication-Results: mx.example.net;\r\n\tdmarc=fail "
        "header.from=example.org\r\nIdentity-Alignment: none\r\n"
        "Delivery-Result: reject\r\nReporting-MTA: dns; mx.example.net\r\n\r\n--x\r\nContent-Type: "
        "text/rfc822-headers\r\n\r\n"
        "From: Ann <ann@example.org>\r\nSubject: odd\r\n\tbusiness\r\nMessage-ID: "
        "<1@example.com>\r\n\r\n--x--\r\n");
    ASSERT_EQ(found.reports.size(), 1U);
    const auto& report = std::get<FailureReport>(found.reports[0]);
    EXPECT_EQ(report.auth_failure, "dmarc");
    EXPECT_EQ(report.source_ip, "192.0.2.9");
    EXPECT_EQ(report.incidents, 3U);
    EXPECT_EQ(report.reported_domains, std::vector<std::string>{"example.org"});
    EXPECT_EQ(report.original_mail_from, "eve@example.com");
    EXPECT_EQ(report.original_rcpt_to, std::vector<std::string>{"ann@example.net"});
    EXPECT_EQ(report.authentication_results.front(), "mx.example.net; dmarc=fail header.from=example.org");
    EXPECT_EQ(report.reporting_mta, "mx.example.net");
    EXPECT_EQ(report.delivery_result, "reject");
    EXPECT_EQ(report.subject, "odd business");
    EXPECT_EQ(report.message_id, "<1@example.com>");
}

TEST(ReportMail, NamesAndFormOfTheRfc) {
    const auto report = sample();
    EXPECT_EQ(report_id("example.net", "example.org", 1, 2), "1-2-example.org@example.net");
    EXPECT_EQ(report_file_name("example.net", report),
              "example.net!example.org!1700006400!1700092799.xml.gz");
    ReportMail how;
    how.from = "dmarc@example.net";
    how.submitter = "example.net";
    how.to = {"r", "example.org"};
    how.boundary = "b";
    const std::string mail = compose_report_mail(how, report, gzip(to_xml(report)));
    EXPECT_NE(mail.find("\r\nSubject: Report Domain: example.org\r\n Submitter: example.net\r\n Report-ID: "
                        "<1700006400-1700092799.example.org@example.net>\r\n"),
              std::string::npos)
        << mail;
    std::size_t line = 0;
    for (std::size_t i = 0; i < mail.size(); ++i) {
        ASSERT_TRUE(mail[i] != '\n' || (i > 0 && mail[i - 1] == '\r')) << i;
        line = mail[i] == '\n' ? 0 : line + 1;
        ASSERT_LE(line, 998U);
        ASSERT_LT(static_cast<unsigned char>(mail[i]), 0x80) << i;
    }
    const auto found = extract_reports(mail);
    ASSERT_EQ(found.reports.size(), 1U);
    EXPECT_EQ(std::get<AggregateReport>(found.reports[0]), report);
}

TEST(TlsReports, DatesOfRfc3339) {
    for (const auto& [text, seconds] : {std::pair{"1970-01-01T00:00:00Z", 0ULL},
                                        {"2016-04-01T23:59:59Z", 1459555199ULL},
                                        {"2016-04-01T23:59:59.25z", 1459555199ULL},
                                        {"2016-04-02T01:59:59+02:00", 1459555199ULL},
                                        {"2016-04-01T21:29:59-02:30", 1459555199ULL},
                                        {"2016-02-29T00:00:00", 1456704000ULL}})
        EXPECT_EQ(parse_date_time(text), seconds) << text;
    for (const auto* text :
         {"", "2016-04-01", "2015-02-29T00:00:00Z", "2016-04-01T24:00:00Z", "2016-04-01T00:00:00X",
          "2016-04-01T00:00:00+2:00", "2016-13-01T00:00:00Z", "2016x04-01T00:00:00Z"})
        EXPECT_FALSE(parse_date_time(text)) << text;
}

}  // namespace
}  // namespace reports
