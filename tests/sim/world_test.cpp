// Worlds made of one seed each: clients that hand in mail, a server that loses its power, a next hop that
// misbehaves, disks and a network that fail. Afterwards every promise is checked. POSTRIDER_SIM_SEEDS says
// how many (default 60); POSTRIDER_SIM_SEED replays one and prints its trace when it fails.
#include "base/text.hpp"
#include "sim/server_machine.hpp"
#include "sim/smtp_people.hpp"

#include <cstdio>
#include <cstdlib>
#include <gtest/gtest.h>
#include <set>

namespace sim {
namespace {

using namespace std::chrono_literals;
using env::IpAddress;

constexpr const char* main_cf =
    "compatibility_level = 3.6\nmyhostname = mail.example.com\nmydestination =\nmynetworks = "
    "192.0.2.0/24\nalias_maps =\n"
    "virtual_mailbox_domains = example.org\nvirtual_mailbox_base = /mail\nvirtual_mailbox_maps = "
    "static:box/\nvirtual_minimum_uid = 1\n"
    "virtual_uid_maps = static:1000\nvirtual_gid_maps = static:1000\nrelayhost = "
    "[192.0.2.99]:25\nsmtpd_peername_lookup = no\nsmtp_tls_security_level = none\n"
    "minimal_backoff_time = 60s\nmaximal_backoff_time = 600s\nqueue_run_delay = 60s\nsmtp_connect_timeout = "
    "10s\nsmtp_helo_timeout = 20s\n"
    "smtpd_timeout = 60s\nsmtpd_client_connection_count_limit = 0\nsmtpd_error_sleep_time = 0\n";

struct Sent {
    std::string text;    // as handed in, CRLF
    bool local = false;  // to the mailbox here, else to the next hop
    bool acknowledged = false;
    bool refused_for_good = false;  // by the next hop
    int arrived = 0;                // whole, in the mailbox or at the next hop
    bool arrived_after_refusal = false;
};

class World {
 public:
    explicit World(std::uint64_t seed)
        : random_(seed),
          cables_(scheduler_, random_.split("network")),
          server_(scheduler_, cables_, random_.split("server"), {*IpAddress::parse("192.0.2.1"), 25, {}}),
          people_(scheduler_, "people"),
          hop_(scheduler_, "hop"),
          people_network_(cables_, people_, *IpAddress::parse("192.0.2.50")),
          hop_network_(cables_, hop_, *IpAddress::parse("192.0.2.99")) {
        server_.files.place("/etc/postrider/main.cf", main_cf);
        server_.files.place("/etc/postrider/master.cf", "smtp inet n - n - - smtpd\n");
        server_.files.place_directory("/mail");
        SimRandom dice = random_.split("faults");
        const auto some = [&](double most) {
            return dice.chance(0.5) ? most * static_cast<double>(dice.below(1000)) / 1000 : 0;
        };
        cables_.faults.reset = some(0.02);
        cables_.faults.refuse = some(0.2);
        cables_.faults.latency_microseconds_max = dice.between(100, 200'000);
        server_.disk.faults = {some(0.05), some(0.05), some(0.02), dice.between(100, 50'000)};
        server_.files.faults = {some(0.05), some(0.05)};
        power_cuts_ = dice.between(0, 6);
        messages_ = dice.between(1, 25);
        hop_fails_ = some(0.3);
        // Every tenth world is healthy but for its next hop: there nothing may arrive twice.
        faultless_ = seed % 10 == 0;
        if (!faultless_) return;
        power_cuts_ = 0;
        cables_.faults.reset = cables_.faults.refuse = 0;
        server_.disk.faults = {0, 0, 0, server_.disk.faults.sync_microseconds_max};
        server_.files.faults = {};
    }

    std::string run() {
        hop_.spawn(serve_hop());
        scheduler_.run_for(1ms);
        people_.spawn(administrate());
        for (std::uint64_t i = 0; i < messages_; ++i) people_.spawn(hand_in(i));
        // Two virtual weeks: longer than a message may wait.
        const bool done = scheduler_.run_until([this] { return finished(); }, std::chrono::hours(14 * 24));
        if (!problem_.empty()) return problem_;
        if (!done) return "the world did not come to rest: mail is still waiting";
        return check();
    }

    std::uint64_t trace_hash() const { return scheduler_.trace.hash(); }
    const Trace& trace() const { return scheduler_.trace; }

 private:
    // The machine's keeper: starts it, cuts its power, ends the trouble.
    env::Task<void> administrate() {
        SimRandom dice = random_.split("administrator");
        co_await boot();
        for (std::uint64_t i = 0; i < power_cuts_; ++i) {
            co_await people_.sleep(std::chrono::microseconds(dice.between(1'000, 20'000'000)));
            if (dice.chance(0.3))
                server_.loop().clock().shift_wall(
                    std::chrono::seconds(static_cast<std::int64_t>(dice.between(0, 7200)) - 3600));
            server_.power_cut();
            co_await people_.sleep(std::chrono::milliseconds(dice.between(1, 5000)));
            co_await boot();
        }
        co_await people_.sleep(60s);
        // From here on the world is healthy, and everything must come to its end.
        cables_.faults.reset = cables_.faults.refuse = hop_fails_ = 0;
        server_.disk.faults.no_space = server_.disk.faults.io = server_.disk.faults.late_io = 0;
        server_.files.faults = {};
        trouble_over_ = true;
    }

    env::Task<void> boot() {
        // As a service manager: again and again, the store may fail.
        for (int i = 0; i < 1000; ++i) {
            started_ = false;
            std::string why = "never";
            bool done = false;
            server_.loop().spawn(start_server(why, done));
            while (!done) co_await people_.sleep(10ms);
            if (why.empty()) {
                started_ = true;
                co_return;
            }
            server_.power_cut();
        }
        problem_ = "the server does not start";
    }
    env::Task<void> start_server(std::string& why, bool& done) {
        why = co_await server_.start();
        done = true;
    }

    std::string compose(std::uint64_t number) {
        SimRandom dice = random_.split("message " + std::to_string(number));
        std::string body;
        const auto lines = dice.chance(0.3) ? dice.between(200, 2000) : dice.between(0, 20);
        for (std::uint64_t i = 0; i < lines; ++i)
            body += (dice.chance(0.1) ? "." : "") +
                    std::string(dice.between(0, 60), static_cast<char>('a' + dice.below(26))) + "\r\n";
        return "Subject: message " + std::to_string(number) + "\r\nFrom: a@example.org\r\n\r\nbegin\r\n" +
               body + "end " + std::to_string(number) + "\r\n";
    }

    // A client that tries until it got a 250 or a 5xx.
    env::Task<void> hand_in(std::uint64_t number) {
        SimRandom dice = random_.split("client " + std::to_string(number));
        Sent& message = sent_[number];
        message.text = compose(number);
        message.local = dice.chance(0.5);
        co_await people_.sleep(std::chrono::milliseconds(dice.between(0, 30'000)));
        for (int attempt = 0; attempt < 5000; ++attempt) {
            const auto by = dice.chance(0.3) ? Submission::By::Chunks : Submission::By::Data;
            const int code = co_await try_once(message, number, by);
            scheduler_.note("client " + std::to_string(number) + " got " + std::to_string(code));
            if (code == 250) {
                message.acknowledged = true;
                scheduler_.note("acknowledged " + std::to_string(number));
                break;
            }
            if (code >= 500) {
                problem_ = "a client got " + std::to_string(code) + " for message " + std::to_string(number);
                break;
            }
            co_await people_.sleep(std::chrono::milliseconds(dice.between(100, 20'000)));
        }
        if (!message.acknowledged && problem_.empty())
            problem_ = "message " + std::to_string(number) + " was never accepted";
        ++handed_in_;
    }

    env::Task<int> try_once(Sent& message, std::uint64_t number, Submission::By by) {
        const std::string recipient = (message.local ? "u" + std::to_string(number) + "@example.org"
                                                     : "u" + std::to_string(number) + "@far.example");
        Submission submission{
            "sender" + std::to_string(number) + "@example.org", {recipient}, message.text, by};
        const env::Endpoint ours{*IpAddress::parse("192.0.2.1"), 25, {}};
        const int code = co_await submit(people_network_, people_, ours, std::move(submission));
        co_return code;
    }

    // The next hop: a small SMTP server with moods.
    env::Task<void> serve_hop() {
        auto listener = hop_network_.listen({*IpAddress::parse("192.0.2.99"), 25, {}});
        CHECK(listener.has_value());
        for (;;) {
            auto stream = co_await (*listener)->accept();
            if (!stream) co_return;
            hop_.spawn(hop_session(std::move(*stream)));
        }
    }

    bool moody() { return hop_fails_ > 0 && hop_random_.chance(hop_fails_); }

    env::Task<void> hop_session(std::unique_ptr<env::Stream> stream) {
        LineStream lines(std::move(stream), hop_);
        std::string greeting = moody() ? "421 4.3.2 later\r\n" : "220 hop.example ESMTP\r\n";
        co_await lines.say(std::move(greeting));
        std::set<std::uint64_t> accepted;
        for (;;) {
            auto line = co_await lines.next();
            if (!line) co_return;
            std::string answer = "250 2.0.0 Ok\r\n";
            if (line->starts_with("EHLO"))
                answer = hop_random_.chance(0.5) ? "250-hop.example\r\n250-PIPELINING\r\n250 8BITMIME\r\n"
                                                 : "250 hop.example\r\n";
            if (line->starts_with("MAIL")) accepted.clear();
            if (line->starts_with("RCPT")) {
                const auto number = base::parse_number(
                    line->substr(line->find("<u") + 2, line->find('@') - line->find("<u") - 2));
                if (moody())
                    answer = "450 4.2.0 not now\r\n";
                else if (number && hop_random_.chance(0.1) && sent_[*number].arrived == 0) {
                    answer = "550 5.1.1 never\r\n";
                    sent_[*number].refused_for_good = true;
                } else if (number)
                    accepted.insert(*number);
            }
            if (line->starts_with("QUIT")) {
                co_await lines.say("221 2.0.0 bye\r\n");
                co_return;
            }
            if (line->starts_with("DATA")) {
                if (accepted.empty())
                    answer = "554 5.5.1 no recipients\r\n";
                else {
                    co_await lines.say("354 go\r\n");
                    const auto content = co_await read_content(lines);
                    if (!content) co_return;
                    if (moody())
                        answer = "451 4.3.0 no room\r\n";
                    else
                        for (const auto number : accepted) arrived(number, *content);
                }
            }
            const bool said = co_await lines.say(answer);
            if (!said) co_return;
        }
    }

    void arrived(std::uint64_t number, const std::string& content) {
        Sent& message = sent_[number];
        // Exactly what was handed in, below our own fields.
        if (!content.ends_with(message.text))
            problem_ = "message " + std::to_string(number) + " arrived damaged";
        ++message.arrived;
        if (message.refused_for_good) message.arrived_after_refusal = true;
        scheduler_.note("arrived " + std::to_string(number));
    }

    bool finished() {
        if (!problem_.empty()) return true;
        if (!trouble_over_ || handed_in_ < messages_ || !started_) return false;
        const auto counts = server_.queue().counts();
        return counts.complete && counts.active + counts.deferred + counts.hold == 0;
    }

    std::string check() {
        scheduler_.run_for(10s);
        const auto boxes = server_.files.list("/mail/box/new");
        std::set<std::uint64_t> bounced;
        for (const auto& name : boxes.value_or(std::vector<std::string>{})) {
            std::string text = *server_.files.read("/mail/box/new/" + name, UINT64_MAX);
            std::string wire;
            for (const char c : text) wire += c == '\n' ? "\r\n" : std::string(1, c);
            const auto mark = wire.find("\r\nDelivered-To: ");
            const std::string to = wire.substr(mark + 16, wire.find('@', mark) - mark - 16);
            if (to.starts_with("sender")) {
                bounced.insert(*base::parse_number(to.substr(6)));
                if (wire.find("multipart/report") == std::string::npos) return "a notification is not one";
            } else {
                arrived(*base::parse_number(to.substr(1)), wire);
            }
        }
        if (!problem_.empty()) return problem_;
        for (const auto& [number, message] : sent_) {
            const std::string name = "message " + std::to_string(number);
            if (message.acknowledged && message.arrived == 0 && !bounced.contains(number))
                return name + " was acknowledged and is lost";
            if (message.arrived > 1 && faultless_)
                return name + " arrived " + std::to_string(message.arrived) + " times though nothing failed";
            if (message.arrived == 0 && bounced.contains(number) && !message.refused_for_good)
                return name + " was returned without a reason";
        }
        for (const auto& [key, value] : server_.disk.content())
            if (key.first != env::Keyspace::Meta && key.first != env::Keyspace::History)
                return "the queue is empty and the store is not: " + base::printable(key.second, 60);
        return "";
    }

    Scheduler scheduler_;
    SimRandom random_;
    Cables cables_;
    ServerMachine server_;
    SimLoop people_, hop_;
    SimNetwork people_network_, hop_network_;
    SimRandom hop_random_ = random_.split("hop");
    std::map<std::uint64_t, Sent> sent_;
    std::uint64_t power_cuts_ = 0, messages_ = 0, handed_in_ = 0;
    double hop_fails_ = 0;
    bool trouble_over_ = false, started_ = false, faultless_ = false;
    std::string problem_;
};

std::uint64_t number_from(const char* name, std::uint64_t fallback) {
    const char* text = std::getenv(name);
    return text ? base::parse_number(text).value_or(fallback) : fallback;
}

void run_seed(std::uint64_t seed, bool verbose) {
    World world(seed);
    const std::string problem = world.run();
    if (problem.empty()) return;
    if (verbose)
        for (const auto& line : world.trace().tail()) std::fprintf(stderr, "%s\n", line.c_str());
    ADD_FAILURE() << "seed " << seed << ": " << problem << "\nreplay: POSTRIDER_SIM_SEED=" << seed
                  << " build/release/bin/world_test";
}

TEST(World, KeepsEveryPromise) {
    if (const auto one = number_from("POSTRIDER_SIM_SEED", 0); one > 0) return run_seed(one, true);
    const auto count = number_from("POSTRIDER_SIM_SEEDS", 60);
    const auto first = number_from("POSTRIDER_SIM_FIRST", 1);
    for (std::uint64_t seed = first; seed < first + count && !HasFailure(); ++seed) run_seed(seed, false);
    std::printf("%lu worlds\n", static_cast<unsigned long>(count));
}

TEST(World, TheSameSeedIsTheSameWorld) {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        World one(seed), two(seed);
        EXPECT_EQ(one.run(), two.run());
        EXPECT_EQ(one.trace_hash(), two.trace_hash()) << "seed " << seed;
    }
}

}  // namespace
}  // namespace sim
