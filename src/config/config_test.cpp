// main.cf and master.cf: syntax, expansion, binding, and what is said about what is wrong.
#include "config/bind.hpp"
#include "config/configuration.hpp"

#include <gtest/gtest.h>

namespace config {
namespace {

struct Options {
    std::string host_name, text;
    std::vector<std::string> list;
    bool flag = false;
    std::uint32_t number = 5;
    std::chrono::seconds wait{60};
    static constexpr void describe(auto& parameter) {
        using namespace std::chrono_literals;
        parameter("myhostname", &Options::host_name, base::Default{"$myhostname"}, "Name.");
        parameter("text", &Options::text, base::Default{"x $myhostname"}, "Text.");
        parameter("list", &Options::list, base::Default{""}, "List.");
        parameter("flag", &Options::flag, "Flag.");
        parameter("number", &Options::number, base::Between{1, 10}, "Number.");
        parameter("wait", &Options::wait, base::Between{1s, 3600s}, base::Unit{'m'}, "Time.");
    }
};

struct Read {
    Options options;
    Diagnostics diagnostics;
    std::string messages() const {
        std::string out;
        for (const auto& d : diagnostics.list()) out += d.render() + "\n";
        return out;
    }
};

Read read(std::string_view text) {
    Read out;
    auto settings = parse_main_cf(text, "main.cf", out.diagnostics);
    const Configuration configuration(std::make_shared<const Registry>(Registry::collect<Options>()),
                                      std::move(settings), Machine{"mx.example.com", {}, {}});
    out.options = bind<Options>(configuration, out.diagnostics);
    return out;
}

TEST(MainCf, CommentsContinuationAndTheLastOfEachName) {
    const auto got = read(
        "# comment\n\ntext = one\n   two\n# a comment in between\n\tthree\nnumber=7\nnumber = 8\nflag = "
        "yes\n");
    EXPECT_FALSE(got.diagnostics.has_errors());
    EXPECT_EQ(got.options.text, "one two three");
    EXPECT_EQ(got.options.number, 8);
    EXPECT_TRUE(got.options.flag);
}

TEST(MainCf, Expansion) {
    const std::pair<const char*, const char*> cases[] = {
        {"text = $myhostname", "mx.example.com"},
        {"text = ${myhostname}", "mx.example.com"},
        {"text = $(myhostname)", "mx.example.com"},
        {"text = $$x", "$x"},
        {"text = a${list?yes}b", "ab"},
        {"list = 1\ntext = a${list?yes}b", "ayesb"},
        {"text = a${list:no}b", "anob"},
        {"text = ${list?{yes}:{no}}", "no"},
        {"text = ${{a} == {a} ? {same} : {other}}", "same"},
        {"text = ${{3.6} <level {3.10} ? {older} : {newer}}", "older"},
        {"text = ${{3.6} >=level {3.6.0} ? {yes} : {no}}", "yes"},
        {"text = ${{2} <level {3.6} ? {md5} : {sha256}}", "md5"},
        {"text = ${{3.10} >=level {3.6} ? {new} : {old}}", "new"},
        {"text = ${{2} <level {1} ? {old} : {new}}", "new"},
        {"text = ${{3.6} ==level {3.6.0}?{same}:{other}}", "same"},
        {"text = ${{2} < {10} ? {less} : {more}}", "less"},
        {"text = $unknown_name.", "."},
        {"text = {a, b}", "{a, b}"},
    };
    for (const auto& [text, expected] : cases) EXPECT_EQ(read(text).options.text, expected) << text;
}

struct ClientOptions {
    std::string level, cafile, port, relay, helo, options, user;
    static constexpr void describe(auto& parameter) {
        parameter("smtp_tls_security_level", &ClientOptions::level, base::Default{"may"}, "Level.");
        parameter("smtp_tls_CAfile", &ClientOptions::cafile, base::Default{""}, "File.");
        parameter("smtp_tcp_port", &ClientOptions::port, base::Default{"smtp"}, "Port.");
        parameter("smtp_fallback_relay", &ClientOptions::relay, base::Default{""}, "Relay.");
        parameter("smtp_helo_name", &ClientOptions::helo, base::Default{"$myhostname"}, "Name.");
        parameter("smtp_sasl_tls_security_options", &ClientOptions::options,
                  base::Default{"$smtp_sasl_security_options"}, "Options.");
        parameter("text", &ClientOptions::user, base::Default{""}, "Text.");
    }
};

TEST(MainCf, AnLmtpServiceReadsItsOwnNames) {
    Diagnostics diagnostics;
    auto settings = parse_main_cf(
        "smtp_tls_security_level = encrypt\nlmtp_tls_CAfile = $smtp_tls_CAfile\nsmtp_tls_CAfile = /a$$b\n"
        "fallback_relay = x\nlmtp_lhlo_name = lmtp.example\nsmtp_sasl_security_options = noplaintext\n"
        "lmtp_sasl_security_options = noanonymous\ntext = kept\n",
        "main.cf", diagnostics);
    const Configuration whole(std::make_shared<const Registry>(Registry::collect<ClientOptions>()),
                              std::move(settings), Machine{"mx.example.com", {}, {}});
    Service service;
    service.overrides.emplace_back("smtp_helo_name", "smtp.example");
    const auto got = bind<ClientOptions>(whole.with_overrides(service).for_lmtp(), diagnostics);
    EXPECT_FALSE(diagnostics.has_errors());
    EXPECT_EQ(got.level, "may");
    EXPECT_EQ(got.cafile, "/a$b");
    EXPECT_EQ(got.port, "24");
    EXPECT_EQ(got.relay, "");
    EXPECT_EQ(got.helo, "lmtp.example");
    EXPECT_EQ(got.options, "noanonymous");
    EXPECT_EQ(got.user, "kept");
}

TEST(MainCf, ACircleIsAnErrorAndNoEndlessLoop) {
    EXPECT_NE(read("text = $list\nlist = $text\n").messages().find("circle"), std::string::npos);
    EXPECT_NE(read("text = ${myhostname\n").messages().find("not closed"), std::string::npos);
}

TEST(MainCf, EveryWrongValueIsSaidWithItsPlace) {
    const auto got = read("number = eleven\nflag = perhaps\nwait = soon\nthis is no setting\n");
    const std::string messages = got.messages();
    for (const auto* part : {"main.cf:1: error: number: 'eleven' is not a number", "main.cf:2: error: flag",
                             "main.cf:3: error: wait", "main.cf:4: "})
        EXPECT_NE(messages.find(part), std::string::npos) << messages;
    EXPECT_NE(read("number = 11\n").messages().find("outside 1 to 10"), std::string::npos);
}

TEST(MainCf, ATrailingCommentIsDroppedOnlyWhereNoHashCanBe) {
    const auto got = read("number = 7 # seven\nflag = yes # on\ntext = a # b\n");
    EXPECT_FALSE(got.diagnostics.has_errors());
    EXPECT_EQ(got.options.number, 7);
    EXPECT_TRUE(got.options.flag);
    EXPECT_EQ(got.options.text, "a # b");
    EXPECT_NE(
        got.messages().find(
            "main.cf:1: warning: number: a comment must stand on a line of its own; write \"number = 7\""),
        std::string::npos)
        << got.messages();
}

TEST(Values, TimesAndLists) {
    using namespace std::chrono_literals;
    EXPECT_EQ(parse_time("5", 'm'), 300s);
    EXPECT_EQ(parse_time("5s", 'm'), 5s);
    EXPECT_EQ(parse_time("2d", 's'), 172800s);
    for (const auto* wrong : {"", "s", "5x", "-5s", "5 s x", "99999999999999999999d"})
        EXPECT_EQ(parse_time(wrong, 's'), std::nullopt) << wrong;
    EXPECT_EQ(split_list("a, b\tc,,{ d, e } inline:{{x = y, z}}"),
              (std::vector<std::string>{"a", "b", "c", "{ d, e }", "inline:{{x = y, z}}"}));
    EXPECT_EQ(edit_distance("mynetwork", "mynetworks", 3), 1);
}

TEST(MasterCf, ServicesAndTheirOverrides) {
    Diagnostics diagnostics;
    const auto services = parse_master_cf(
        "smtp inet n - y - - smtpd\nsubmission inet n - n - - smtpd\n  -o smtpd_tls_security_level=encrypt\n "
        " -o { smtpd_client_restrictions = permit_mynetworks, reject }\n"
        "#587 inet n - n - - smtpd\nmaildrop unix - n n - - pipe flags=DRhu user=vmail "
        "argv=/usr/bin/maildrop -d ${recipient}\nbroken line\n",
        "master.cf", diagnostics);
    ASSERT_GE(services.size(), 3U);
    EXPECT_EQ(services[0].name, "smtp");
    EXPECT_EQ(services[1].overrides.size(), 2);
    EXPECT_EQ(services[1].overrides[0],
              (std::pair<std::string, std::string>{"smtpd_tls_security_level", "encrypt"}));
    EXPECT_EQ(services[1].overrides[1], (std::pair<std::string, std::string>{"smtpd_client_restrictions",
                                                                             "permit_mynetworks, reject"}));
    EXPECT_EQ(services[2].command, "pipe");
    EXPECT_EQ(services[2].line, 6);
    EXPECT_TRUE(diagnostics.has_errors());
    EXPECT_EQ(diagnostics.list().back().line, 7);
}

TEST(MasterCf, WhereAServiceListens) {
    EXPECT_EQ(parse_listen_address("smtp")->port, 25);
    EXPECT_EQ(parse_listen_address("submission")->port, 587);
    EXPECT_EQ(parse_listen_address("2525")->port, 2525);
    EXPECT_EQ(parse_listen_address("127.0.0.1:2525")->host, "127.0.0.1");
    EXPECT_EQ(parse_listen_address("[::1]:25")->port, 25);
    for (const auto* wrong : {"", "0", "65536", "nosuchservice-x", "127.0.0.1:"})
        EXPECT_FALSE(parse_listen_address(wrong)) << wrong;
}

TEST(JudgeNames, NothingIsSilentlyIgnored) {
    struct Case {
        const char* text;
        std::vector<std::string> said;  // parts of the messages, in order
    };
    const Case cases[] = {
        {"content_filter = scan:[127.0.0.1]:10024\n",
         {"content_filter = scan:[127.0.0.1]:10024 is NOT HONOURED"}},
        // Referred to by something that is not honoured either.
        {"content_filter = scan:x\nreceive_override_options = $content_filter\n",
         {"content_filter = scan:x is NOT", "receive_override_options = $content_filter is NOT"}},
        // A name of Postfix's that is used through a name of ours.
        {"postscreen_greet_banner = here\ntext = $postscreen_greet_banner\n", {}},
        // The administrator's own names.
        {"my_filter = scan:x\ncontent_filter = $my_filter\n",
         {"content_filter = $my_filter is NOT HONOURED"}},
        {"my_text = hello\ntext = ${my_text}\n", {}},
        {"my_text = hello\n", {"my_text is not a known parameter"}},
        {"content_filter =\n", {}},
    };
    for (const auto& [text, said] : cases) {
        Diagnostics diagnostics;
        auto settings = parse_main_cf(text, "main.cf", diagnostics);
        const Configuration configuration(std::make_shared<const Registry>(Registry::collect<Options>()),
                                          std::move(settings), Machine{"mx.example.com", {}, {}});
        judge_names(configuration, {}, diagnostics);
        ASSERT_EQ(diagnostics.list().size(), said.size()) << text;
        for (std::size_t i = 0; i < said.size(); ++i)
            EXPECT_NE(diagnostics.list()[i].render().find(said[i]), std::string::npos)
                << diagnostics.list()[i].render();
    }
}

}  // namespace
}  // namespace config
