// The power fails once, at every moment at which it can make a difference: before, during and after each
// commit of a fixed story (two mailboxes, a message in chunks, a next hop that first defers, one that
// refuses), with what was not synced lost, and with it kept. After the restart every promise must hold, each
// time.
#include "base/text.hpp"
#include "sim/server_machine.hpp"
#include "sim/smtp_people.hpp"

#include <gtest/gtest.h>
#include <set>

namespace sim {
namespace {

using env::IpAddress;

constexpr const char* main_cf =
    "compatibility_level = 3.6\nmyhostname = mail.example.com\nmydestination =\nmynetworks = 192.0.2.0/24\n"
    "alias_maps =\nvirtual_mailbox_domains = example.org\nvirtual_mailbox_base = /mail\n"
    "virtual_mailbox_maps = static:box/\nvirtual_minimum_uid = 1\nvirtual_uid_maps = static:1000\n"
    "virtual_gid_maps = static:1000\nrelayhost = [192.0.2.99]:25\nsmtpd_peername_lookup = no\n"
    "smtp_tls_security_level = none\nminimal_backoff_time = 60s\nmaximal_backoff_time = "
    "600s\nqueue_run_delay = 60s\n";

struct Told {
    Submission submission;
    bool acknowledged = false;
};

class Story {
 public:
    explicit Story(std::optional<CutPoint> cut)
        : random_(1),
          cables_(scheduler_, random_.split("network")),
          server_(scheduler_, cables_, random_.split("server"), {*IpAddress::parse("192.0.2.1"), 25, {}}),
          people_(scheduler_, "people"),
          people_network_(cables_, people_, *IpAddress::parse("192.0.2.50")),
          hop_network_(cables_, people_, *IpAddress::parse("192.0.2.99")) {
        server_.files.place("/etc/postrider/main.cf", main_cf);
        server_.files.place("/etc/postrider/master.cf", "smtp inet n - n - - smtpd\n");
        server_.files.place_directory("/mail");
        cables_.faults.split = 0;
        server_.disk.cut = cut;
        server_.disk.on_cut = [this] { scheduler_.post(nullptr, [this] { lose_power(); }); };
        tell("u1", {"u1@example.org", "u2@example.org"}, 3, Submission::By::Data);
        tell("u3", {"u3@example.org", "later@far.example", "now@far.example"}, 400, Submission::By::Chunks);
        tell("u4", {"never@far.example", "u5@example.org"}, 3, Submission::By::Data);
    }

    std::string run() {
        people_.spawn(serve_hop());
        scheduler_.run_for(std::chrono::milliseconds(1));
        people_.spawn(tell_all());
        const bool done = scheduler_.run_until([this] { return finished(); }, std::chrono::hours(24 * 7));
        if (!problem_.empty()) return problem_;
        if (!done) return "mail is still waiting";
        scheduler_.run_for(std::chrono::seconds(10));
        return check();
    }
    std::uint64_t commits() const { return server_.disk.commits(); }
    bool lost_power() const { return cuts_ > 0; }
    int repeats() const {
        int out = 0;
        for (const auto& [recipient, count] : arrived_) out += count - 1;
        return out;
    }

 private:
    void tell(const std::string& sender, std::vector<std::string> recipients, int lines, Submission::By by) {
        std::string text = "Subject: from " + sender + "\r\nFrom: a@example.org\r\n\r\n";
        for (int i = 0; i < lines; ++i)
            text += "line " + std::to_string(i) + " of what " + sender + " says\r\n";
        told_.push_back({{sender + "@example.org", std::move(recipients), text + "end\r\n", by}});
    }

    void lose_power() {
        ++cuts_;
        up_ = false;
        server_.power_cut();
        people_.spawn(boot());
    }
    env::Task<void> boot() {
        std::string why = "never";
        bool done = false;
        const int life = cuts_;
        server_.loop().spawn(start_server(why, done));
        while (!done && life == cuts_) co_await people_.sleep(std::chrono::milliseconds(10));
        if (life != cuts_) co_return;  // the power failed while it started
        if (!why.empty()) problem_ = "the server does not start: " + why;
        up_ = true;
    }
    env::Task<void> start_server(std::string& why, bool& done) {
        why = co_await server_.start();
        done = true;
    }

    env::Task<void> tell_all() {
        co_await boot();
        for (auto& one : told_) {
            for (int attempt = 0; attempt < 100 && !one.acknowledged; ++attempt) {
                Submission copy = one.submission;
                const env::Endpoint ours{*IpAddress::parse("192.0.2.1"), 25, {}};
                const int code = co_await submit(people_network_, people_, ours, std::move(copy));
                one.acknowledged = code == 250;
                if (code >= 500) problem_ = "refused with " + std::to_string(code);
                if (!one.acknowledged) co_await people_.sleep(std::chrono::seconds(5));
            }
        }
        all_told_ = true;
    }

    env::Task<void> serve_hop() {
        auto listener = hop_network_.listen({*IpAddress::parse("192.0.2.99"), 25, {}});
        CHECK(listener.has_value());
        for (;;) {
            auto stream = co_await (*listener)->accept();
            if (!stream) co_return;
            people_.spawn(converse(std::move(*stream)));
        }
    }
    env::Task<void> converse(std::unique_ptr<env::Stream> stream) {
        LineStream lines(std::move(stream), people_);
        std::set<std::string> taken;
        std::string answer = "220 hop.example ESMTP\r\n";
        for (;;) {
            const bool said = co_await lines.say(answer);
            if (!said) co_return;
            auto line = co_await lines.next();
            if (!line || line->starts_with("QUIT")) co_return;
            answer = "250 2.0.0 Ok\r\n";
            if (line->starts_with("MAIL")) taken.clear();
            if (line->starts_with("RCPT")) {
                const auto from = line->find('<') + 1;
                const std::string recipient = line->substr(from, line->find('>') - from);
                if (recipient.starts_with("never"))
                    answer = "550 5.1.1 no such user\r\n";
                else if (recipient.starts_with("later") && deferred_++ == 0)
                    answer = "450 4.2.0 not now\r\n";
                else
                    taken.insert(recipient);
            }
            if (line->starts_with("DATA") && taken.empty()) answer = "554 5.5.1 nobody\r\n";
            if (line->starts_with("DATA") && !taken.empty()) {
                co_await lines.say("354 go\r\n");
                const auto content = co_await read_content(lines);
                if (!content) co_return;
                for (const auto& recipient : taken) arrived(recipient, *content);
            }
        }
    }

    void arrived(const std::string& recipient, const std::string& content) {
        ++arrived_[recipient];
        for (const auto& one : told_)
            for (const auto& its : one.submission.recipients)
                if (its == recipient && !content.ends_with(one.submission.text))
                    problem_ = "damaged for " + recipient;
    }

    bool finished() {
        if (!problem_.empty()) return true;
        if (!all_told_ || !up_) return false;
        const auto counts = server_.queue().counts();
        return counts.complete && counts.active + counts.deferred + counts.hold == 0;
    }

    std::string check() {
        std::string notifications;
        for (const auto& name : server_.files.list("/mail/box/new").value_or(std::vector<std::string>{})) {
            const std::string text = *server_.files.read("/mail/box/new/" + name, UINT64_MAX);
            std::string wire;
            for (const char c : text) wire += c == '\n' ? "\r\n" : std::string(1, c);
            if (wire.find("multipart/report") != std::string::npos) {
                notifications += wire;
                continue;
            }
            const auto mark = wire.find("\r\nDelivered-To: ") + 16;
            arrived(wire.substr(mark, wire.find("\r\n", mark) - mark), wire);
        }
        if (!problem_.empty()) return problem_;
        for (const auto& one : told_) {
            if (!one.acknowledged) return "never accepted: from " + one.submission.sender;
            for (const auto& recipient : one.submission.recipients) {
                const bool refused = recipient.starts_with("never");
                if (!refused && arrived_[recipient] == 0) return "lost: to " + recipient;
                if (refused &&
                    notifications.find("Final-Recipient: rfc822; " + recipient) == std::string::npos)
                    return "nobody was told of " + recipient;
            }
        }
        for (const auto& [key, value] : server_.disk.content())
            if (key.first != env::Keyspace::Meta && key.first != env::Keyspace::History)
                return "the queue is empty and the store is not: " + base::printable(key.second, 60);
        for (const auto& [key, value] : server_.disk.content())
            if (key.first == env::Keyspace::Meta && key.second.starts_with("i"))
                return "a mark was left: " + base::printable(key.second, 60);
        if (!lost_power() && repeats() > 0) return "repeats without a power cut";
        return "";
    }

    Scheduler scheduler_;
    SimRandom random_;
    Cables cables_;
    ServerMachine server_;
    SimLoop people_;
    SimNetwork people_network_, hop_network_;
    std::vector<Told> told_;
    std::map<std::string, int> arrived_;
    int deferred_ = 0, cuts_ = 0;
    bool up_ = false, all_told_ = false;
    std::string problem_;
};

TEST(PowerCut, AtEveryMomentOfEveryCommit) {
    Story quiet(std::nullopt);
    ASSERT_EQ(quiet.run(), "");
    const auto commits = quiet.commits();
    ASSERT_GT(commits, 10U);
    int stories = 0, cut = 0, repeats = 0;
    using Moment = CutPoint::Moment;
    using Unsynced = CutPoint::Unsynced;
    for (std::uint64_t commit = 1; commit <= commits; ++commit)
        for (const auto moment : {Moment::BeforeWriting, Moment::BeforeSyncing, Moment::BeforeAnswering})
            for (const auto unsynced : {Unsynced::Lost, Unsynced::Kept}) {
                Story story(CutPoint{moment, commit, unsynced});
                ASSERT_EQ(story.run(), "")
                    << "commit " << commit << " of " << commits << ", moment " << static_cast<int>(moment)
                    << (unsynced == Unsynced::Kept ? ", kept" : ", lost");
                ++stories;
                cut += story.lost_power() ? 1 : 0;
                repeats += story.repeats();
            }
    EXPECT_EQ(cut, stories);
    // A repeat is a delivery whose end was not on disk yet: one or two at a time here.
    EXPECT_LE(repeats, 2 * stories);
    std::printf("%lu commits, %d power cuts, %d repeats\n", static_cast<unsigned long>(commits), cut,
                repeats);
}

}  // namespace
}  // namespace sim
