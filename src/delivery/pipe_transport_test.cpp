// pipe(8): attributes of master.cf, command lines, and the message as the flags want it.
#include "delivery/pipe_transport.hpp"

#include <gtest/gtest.h>

namespace delivery {
namespace {

using Words = std::vector<std::string>;

class Text : public queue::ContentReader {
 public:
    Text(std::string text, std::size_t step) : text_(std::move(text)), step_(step) {}
    env::Task<std::expected<std::string, std::string>> next() override {
        std::string piece = text_.substr(at_, step_);
        at_ += piece.size();
        co_return piece;
    }
    std::uint64_t size() const override { return text_.size(); }
    void rewind() override { at_ = 0; }

 private:
    std::string text_;
    std::size_t step_, at_ = 0;
};

class Recorder : public Agent {
 public:
    std::vector<CommandJob> jobs;
    std::vector<Credentials> as;
    std::vector<std::string> contents;
    AgentResult answer{{2, 0, 0}, "delivered to command: x"};
    env::Task<AgentResult> run(AgentJob job, queue::ContentReader& content) override {
        jobs.push_back(std::get<CommandJob>(job.what));
        as.push_back(job.as.value());
        std::string all;
        for (;;) {
            auto piece = co_await content.next();
            if (!piece || piece->empty()) break;
            all += *piece;
        }
        contents.push_back(all);
        co_return answer;
    }
    env::Task<std::expected<std::optional<std::string>, std::string>> read_file(Credentials,
                                                                                std::string) override {
        co_return std::optional<std::string>{};
    }
    bool can_deliver_as(std::uint32_t) const override { return true; }
};

class Users : public env::UserDatabase {
 public:
    std::expected<std::optional<env::UnixUser>, env::FileError> find(const std::string& name) override {
        if (name == "root") return env::UnixUser{"root", 0, 0, "/root", "/bin/sh", ""};
        if (name == "vmail") return env::UnixUser{"vmail", 5000, 5001, "/var/vmail", "/bin/sh", ""};
        return std::optional<env::UnixUser>{};
    }
    std::expected<std::optional<std::uint32_t>, env::FileError> find_group(const std::string& name) override {
        if (name == "mail") return 8;
        return std::optional<std::uint32_t>{};
    }
};

class Clock : public env::Clock {
 public:
    env::SteadyTime steady() const override { return {}; }
    env::WallTime wall() const override { return env::WallTime(std::chrono::seconds(1795564800)); }
    std::chrono::minutes zone_offset(env::WallTime) const override { return std::chrono::minutes(0); }
};

struct Fixture {
    Recorder agent;
    Users users;
    Clock clock;

    std::vector<queue::RecipientResult> deliver(Words arguments, const Words& recipients,
                                                const std::string& content = "Subject: x\r\n\r\nbody\r\n",
                                                std::size_t step = 1000) {
        PipeTransport::Services services{users, clock, agent};
        auto made = PipeTransport::make("filter", arguments, PipeOptions{"+"}, services);
        EXPECT_TRUE(made) << (made ? "" : made.error());
        queue::DeliveryRequest request;
        auto envelope = std::make_shared<mail::Envelope>();
        envelope->sender = mail::ReversePath(mail::Address{"Ann O", "Example.NET"});
        envelope->origin.client_address = "192.0.2.9";
        for (const auto& text : recipients) {
            mail::Recipient one;
            const auto at = text.rfind('@');
            one.address = one.original = mail::Address{text.substr(0, at), text.substr(at + 1)};
            request.recipients.push_back(one);
        }
        request.envelope = envelope;
        request.next_hop = "Next.Example";
        request.content = std::make_unique<Text>(content, step);
        return env::run_now((*made)->deliver(std::move(request))).recipients;
    }
};

TEST(PipeCommand, ReadsTheAttributes) {
    const auto got =
        parse_pipe_command("dovecot", {"flags=DRhu", "user=vmail:mail", "argv=/usr/lib/dovecot/deliver", "-f",
                                       "${sender}", "-d", "${user}@${nexthop}"});
    ASSERT_TRUE(got) << got.error();
    EXPECT_EQ(got->user, "vmail");
    EXPECT_EQ(got->group, "mail");
    EXPECT_TRUE(got->delivered_to && got->return_path && got->lower_domain && got->lower_user);
    EXPECT_FALSE(got->quote || got->final_stop || got->original_to);
    EXPECT_EQ(got->argv, (Words{"/usr/lib/dovecot/deliver", "-f", "${sender}", "-d", "${user}@${nexthop}"}));
}

TEST(PipeCommand, SaysWhatIsWrong) {
    const std::pair<Words, const char*> cases[] = {
        {{"argv=/bin/cat"}, "user="},
        {{"user=vmail"}, "argv="},
        {{"user=vmail", "argv="}, "argv="},
        {{"flags=Z", "user=vmail", "argv=/bin/cat"}, "'Z'"},
        {{"user=vmail", "size=many", "argv=/bin/cat"}, "size=many"},
        {{"user=vmail", "eol=x", "argv=/bin/cat"}, "eol=x"},
        {{"user=vmail", "chroot=/x", "argv=/bin/cat"}, "chroot="},
        {{"user=vmail", "colour=red", "argv=/bin/cat"}, "colour"},
        {{"user=vmail", "/bin/cat"}, "/bin/cat"},
    };
    for (const auto& [words, part] : cases) {
        const auto got = parse_pipe_command("x", words);
        ASSERT_FALSE(got) << part;
        EXPECT_NE(got.error().find(part), std::string::npos) << got.error();
    }
}

TEST(PipeTransport, NamesEachRecipientOnceAndTheRestOnce) {
    Fixture f;
    const auto results =
        f.deliver({"flags=hu", "user=vmail", "argv=/bin/x", "-s", "$sender", "-n", "${nexthop}", "--to",
                   "$(recipient)", "${user}/${extension}/${domain}/${mailbox}", "$$5", "${no}", "${size}"},
                  {"Bob+Shop@EXAMPLE.org", "cat@example.org"});
    ASSERT_EQ(results.size(), 2U);
    ASSERT_EQ(f.agent.jobs.size(), 1U);
    EXPECT_EQ(f.agent.jobs[0].argv,
              (Words{"/bin/x", "-s", "Ann O@Example.NET", "-n", "next.example", "--to",
                     "bob+shop@example.org", "cat@example.org", "bob/shop/example.org/bob+shop",
                     "cat//example.org/cat", "$5", "${no}", "20"}));
    EXPECT_EQ(f.agent.as[0].uid, 5000U);
    EXPECT_EQ(f.agent.as[0].gid, 5001U);
    EXPECT_EQ(results[0].relay, "filter");
    EXPECT_EQ(results[0].text, "delivered via filter service");
    EXPECT_TRUE(results[0].relayed);
}

TEST(PipeTransport, QuotesLocalPartsWhenAsked) {
    Fixture f;
    f.deliver({"flags=q", "user=vmail:mail", "argv=/bin/x", "$sender", "$user"}, {"a b@example.org"});
    EXPECT_EQ(f.agent.jobs[0].argv, (Words{"/bin/x", "\"Ann O\"@Example.NET", "\"a b\""}));
    EXPECT_EQ(f.agent.as[0].gid, 8U);
}

/// A value that looks like a name is no name.
TEST(PipeTransport, ReplacesOnce) {
    Fixture f;
    f.deliver({"user=vmail", "argv=/bin/x", "$recipient"}, {"$sender${size}$$@example.org"});
    EXPECT_EQ(f.agent.jobs[0].argv, (Words{"/bin/x", "$sender${size}$$@example.org"}));
}

TEST(PipeTransport, HeaderLinesOfOneRecipientMakeARunForEach) {
    Fixture f;
    const auto results = f.deliver({"flags=DFORX", "user=vmail", "argv=/bin/x", "$recipient"},
                                   {"a@example.org", "b@example.org"});
    ASSERT_EQ(f.agent.jobs.size(), 2U);
    EXPECT_EQ(f.agent.jobs[1].argv, (Words{"/bin/x", "b@example.org"}));
    EXPECT_EQ(f.agent.jobs[1].prefix,
              "From \"Ann O\"@Example.NET  Wed Nov 25 00:00:00 2026\r\n"
              "Return-Path: <\"Ann O\"@Example.NET>\r\nX-Original-To: b@example.org\r\n"
              "Delivered-To: b@example.org\r\n");
    EXPECT_FALSE(results[0].relayed);
}

TEST(PipeTransport, StopsLoops) {
    Fixture f;
    const auto results = f.deliver({"flags=D", "user=vmail", "argv=/bin/x"}, {"a@example.org"},
                                   "Delivered-To: A@example.org\r\n\r\nx\r\n");
    EXPECT_TRUE(f.agent.jobs.empty());
    EXPECT_EQ(results[0].status.text(), "5.4.6");
}

TEST(PipeTransport, MarksLinesWhateverThePieces) {
    const std::string content = "From: a\r\n\r\n.dot\r\n..two\r\nFrom here\r\n From there\r\nFro\r\n.";
    for (std::size_t step = 1; step < 12; ++step) {
        Fixture f;
        f.deliver({"flags=B.>", "user=vmail", "argv=/bin/x"}, {"a@example.org"}, content, step);
        EXPECT_EQ(f.agent.contents.at(0),
                  "From: a\r\n\r\n..dot\r\n...two\r\n>From here\r\n From there\r\nFro\r\n..\r\n")
            << step;
    }
}

TEST(PipeTransport, RefusesWhatMustNotRun) {
    Fixture f;
    EXPECT_EQ(f.deliver({"user=root", "argv=/bin/x"}, {"a@b.example"})[0].status.text(), "4.3.5");
    EXPECT_EQ(f.deliver({"user=nobodyhere", "argv=/bin/x"}, {"a@b.example"})[0].status.text(), "4.3.5");
    EXPECT_EQ(f.deliver({"user=vmail:nogroup", "argv=/bin/x"}, {"a@b.example"})[0].status.text(), "4.3.5");
    EXPECT_EQ(f.deliver({"size=5", "user=vmail", "argv=/bin/x"}, {"a@b.example"})[0].status.text(), "5.2.3");
    EXPECT_TRUE(f.agent.jobs.empty());
    f.agent.answer = {{5, 1, 1}, "user unknown"};
    const auto failed = f.deliver({"user=vmail", "argv=/bin/x"}, {"a@b.example"});
    EXPECT_EQ(failed[0].kind, queue::RecipientResult::Kind::Failed);
    EXPECT_EQ(failed[0].text, "user unknown");
}

}  // namespace
}  // namespace delivery
