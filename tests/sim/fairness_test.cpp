// A newsletter to 100,000 readers behind one slow next hop, and a single letter that is handed in behind it:
// the letter goes out at once.
#include "sim/server_machine.hpp"
#include "sim/smtp_people.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <set>

namespace sim {
namespace {

using namespace std::chrono_literals;
using env::IpAddress;

constexpr const char* main_cf =
    "compatibility_level = 3.6\nmyhostname = mail.example.com\nmydestination =\nmynetworks = 192.0.2.0/24\n"
    "alias_maps =\nrelayhost = [192.0.2.99]:25\nsmtpd_peername_lookup = no\nsmtp_tls_security_level = none\n"
    "inet_protocols = ipv4\nsmtpd_client_connection_count_limit = 0\nqmgr_message_active_limit = 50\n";
constexpr int newsletter_messages = 100, readers_each = 1000;
constexpr auto slow = 6s;  // the next hop's time for one delivery

class Office {
 public:
    Office()
        : random_(7),
          cables_(scheduler_, random_.split("network")),
          server_(scheduler_, cables_, random_.split("server"), {*IpAddress::parse("192.0.2.1"), 25, {}}),
          people_(scheduler_, "people"),
          hop_(scheduler_, "hop"),
          people_network_(cables_, people_, *IpAddress::parse("192.0.2.50")),
          hop_network_(cables_, hop_, *IpAddress::parse("192.0.2.99")) {
        server_.files.place("/etc/postrider/main.cf", main_cf);
        server_.files.place("/etc/postrider/master.cf", "smtp inet n - n - - smtpd\n");
        cables_.faults.split = 0;
        cables_.faults.latency_microseconds_max = 1000;
    }
    void run() {
        hop_.spawn(listen());
        people_.spawn(work());
        const bool done = scheduler_.run_until([this] { return letter_arrived_.has_value() || failed_; }, 2h);
        ASSERT_TRUE(done && letter_arrived_) << "the letter did not arrive";
        EXPECT_LT(*letter_arrived_ - letter_sent_, 3 * slow);
        EXPECT_LT(readers_reached_, newsletter_messages * readers_each / 2) << "the newsletter was no load";
        const bool all = scheduler_.run_until(
            [this] { return readers_reached_ == newsletter_messages * readers_each; }, 4h);
        EXPECT_TRUE(all) << readers_reached_ << " readers reached";
    }

 private:
    env::Task<void> start_server() {
        const std::string why = co_await server_.start();
        failed_ = !why.empty();
        started_ = true;
    }
    env::Task<void> work() {
        server_.loop().spawn(start_server());
        while (!started_) co_await people_.sleep(10ms);
        for (int i = 0; i < newsletter_messages && !failed_; ++i) {
            std::vector<std::string> readers;
            for (int n = 0; n < readers_each; ++n) readers.push_back(fmt::format("r{}-{}@far.example", i, n));
            co_await hand_in(fmt::format("news-{}@example.org", i), std::move(readers));
        }
        letter_sent_ = scheduler_.now();
        std::vector<std::string> friend_of_hers{"friend@far.example"};
        co_await hand_in("ann@example.org", std::move(friend_of_hers));
    }
    env::Task<void> hand_in(std::string sender, std::vector<std::string> recipients) {
        Submission submission{std::move(sender), std::move(recipients), "Subject: x\r\n\r\nHello\r\n"};
        const env::Endpoint ours{*IpAddress::parse("192.0.2.1"), 25, {}};
        const int code = co_await submit(people_network_, people_, ours, std::move(submission));
        failed_ = failed_ || code != 250;
    }
    env::Task<void> listen() {
        auto listener = hop_network_.listen({*IpAddress::parse("192.0.2.99"), 25, {}});
        for (;;) {
            auto stream = co_await (*listener)->accept();
            if (!stream) co_return;
            hop_.spawn(take(std::move(*stream)));
        }
    }
    env::Task<void> take(std::unique_ptr<env::Stream> stream) {
        LineStream lines(std::move(stream), hop_);
        std::string answer = "220 far.example ESMTP\r\n";
        int readers = 0;
        bool letter = false;
        for (;;) {
            const bool said = co_await lines.say(answer);
            if (!said) co_return;
            auto line = co_await lines.next();
            if (!line || line->starts_with("QUIT")) co_return;
            answer = "250 2.0.0 Ok\r\n";
            if (line->starts_with("RCPT")) {
                const bool to_friend = line->find("friend@") != std::string::npos;
                letter = letter || to_friend;
                readers += to_friend ? 0 : 1;
            } else if (line->starts_with("DATA")) {
                co_await lines.say("354 go\r\n");
                const auto content = co_await read_content(lines);
                if (!content) co_return;
                co_await hop_.sleep(slow);
                readers_reached_ += readers;
                if (letter && !letter_arrived_) letter_arrived_ = scheduler_.now();
                readers = 0;
                letter = false;
            }
        }
    }

    SimRandom random_;
    Scheduler scheduler_;
    Cables cables_;
    ServerMachine server_;
    SimLoop people_, hop_;
    SimNetwork people_network_, hop_network_;
    bool started_ = false, failed_ = false;
    int readers_reached_ = 0;
    env::SteadyTime letter_sent_{};
    std::optional<env::SteadyTime> letter_arrived_;
};

TEST(Fairness, ANewsletterDoesNotDelayALetter) { Office().run(); }

}  // namespace
}  // namespace sim
