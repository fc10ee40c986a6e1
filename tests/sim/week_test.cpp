// A week of an outbound relay: 200 destinations of which some are out of order, greylist, limit what they
// take, are slow, refuse or do not exist any more, newsletters between single letters, and a machine of ours
// that is restarted or loses its power. Afterwards: every letter was delivered or returned, in time; no
// destination starved; every retry lay within the configured bounds. POSTRIDER_SIM_WEEKS says how many weeks
// (default 1).
#include "base/text.hpp"
#include "sim/server_machine.hpp"
#include "sim/smtp_people.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <map>
#include <set>

namespace sim {
namespace {

using env::IpAddress;

constexpr const char* main_cf =
    "compatibility_level = 3.6\nmyhostname = mail.example.com\nmydestination =\nmynetworks = 192.0.2.0/24\n"
    "alias_maps =\nvirtual_mailbox_domains = example.org\nvirtual_mailbox_base = /mail\n"
    "virtual_mailbox_maps = static:box/\nvirtual_minimum_uid = 1\nvirtual_uid_maps = static:1000\n"
    "virtual_gid_maps = static:1000\nsmtpd_peername_lookup = no\nsmtp_tls_security_level = none\n"
    "inet_protocols = ipv4\nsmtpd_client_connection_count_limit = 0\n"
    "minimal_backoff_time = 300s\nmaximal_backoff_time = 4000s\nqueue_run_delay = 300s\n"
    "maximal_queue_lifetime = 2d\nbounce_queue_lifetime = 2d\n";
constexpr auto backoff_min = 300s, backoff_max = 4000s, run_delay = 300s;
constexpr auto lifetime = std::chrono::hours(48);
// What a healthy queue may take besides its waits: slow replies, time-outs of silent hosts, a full window.
constexpr auto allowance = 30min;
constexpr auto restart_max = 10min;

constexpr int destinations = 200;
constexpr int letters_each = 25;
constexpr int newsletters = 4;
constexpr int newsletter_readers_each = 4;  // at each destination

enum class Kind { Steady, Outages, Silent, Greylisting, Limited, Slow, Refusing, Dead };

struct Host {
    Kind kind = Kind::Steady;
    std::string domain;
    env::Endpoint at;
    bool down = false;
    std::vector<std::pair<env::SteadyTime, env::SteadyTime>> up_times;  // ended ones
    env::SteadyTime up_since{};
    std::map<std::string, env::SteadyTime> first_seen;  // greylisting: by sender and recipient
    env::SteadyTime hour_began{};
    int taken_this_hour = 0;
    std::set<std::string> refused;
};

struct Letter {
    Host* host = nullptr;
    env::SteadyTime sent{};  // acknowledged
    std::optional<env::SteadyTime> arrived, bounced;
    int copies = 0;
};

class Week {
 public:
    explicit Week(std::uint64_t seed)
        : random_(seed),
          cables_(scheduler_, random_.split("network")),
          server_(scheduler_, cables_, random_.split("server"), {*IpAddress::parse("192.0.2.1"), 25, {}}),
          people_(scheduler_, "people"),
          net_(scheduler_, "net"),
          people_network_(cables_, people_, *IpAddress::parse("192.0.2.50")) {
        server_.files.place("/etc/postrider/main.cf", main_cf);
        server_.files.place("/etc/postrider/master.cf", "smtp inet n - n - - smtpd\n");
        server_.files.place_directory("/mail");
        cables_.faults.split = 0;
        cables_.faults.latency_microseconds_max = 30'000;
        for (int i = 0; i < destinations; ++i) add_host(i);
        server_.watch([this](const base::Event& event) {
            if (const auto* attempt = std::get_if<base::DeliveryAttempt>(&event)) on_attempt(*attempt);
            if (const auto* expired = std::get_if<base::MessageExpired>(&event))
                on_expired(expired->queue_id);
        });
    }

    std::string run() {
        for (auto& host : hosts_) net_.spawn(serve(host));
        scheduler_.run_for(1ms);
        people_.spawn(administrate());
        people_.spawn(write_letters());
        const bool done = scheduler_.run_until([this] { return finished(); }, std::chrono::hours(24 * 14));
        if (!problem_.empty()) return problem_;
        if (!done) return "mail still waits a week after the last letter";
        scheduler_.run_for(10s);
        return check();
    }
    std::string summary() const {
        return fmt::format("{} letters, {} arrived, {} returned, {} copies too many, {} retries, {} restarts",
                           letters_.size(), arrived_, bounced_, copies_, retries_, restarts_.size());
    }

 private:
    void add_host(int number) {
        static constexpr Kind by_number[] = {
            Kind::Dead, Kind::Outages,     Kind::Outages,  Kind::Greylisting, Kind::Limited,
            Kind::Slow, Kind::Greylisting, Kind::Refusing, Kind::Silent,      Kind::Outages};
        auto& host = hosts_.emplace_back();
        host.kind = number % 20 < 10 ? by_number[number % 20] : Kind::Steady;
        host.domain = fmt::format("d{:03}.example", number);
        host.at = {*IpAddress::parse(fmt::format("198.51.100.{}", number)), 25, {}};
        const bool backup = number % 4 == 3;  // the first of two hosts does not answer
        server_.dns.add(fmt::format("{} MX {} mx.{}", host.domain, backup ? 20 : 10, host.domain));
        if (backup) {
            server_.dns.add(fmt::format("{} MX 10 gone.{}", host.domain, host.domain));
            server_.dns.add(fmt::format("gone.{} A 203.0.113.1", host.domain));
        }
        server_.dns.add(fmt::format("mx.{} A {}", host.domain, host.at.address.text()));
    }

    // --- our machine
    env::Task<void> administrate() {
        SimRandom dice = random_.split("administrator");
        co_await boot();
        while (scheduler_.now() < end_of_week_) {
            co_await people_.sleep(std::chrono::minutes(dice.between(4 * 60, 24 * 60)));
            up_ = false;
            restarts_.emplace_back(scheduler_.now(), never);
            if (dice.chance(0.5)) {
                bool stopped = false;
                server_.loop().spawn(stop_in_order(stopped));
                while (!stopped) co_await people_.sleep(1s);
            }
            server_.power_cut();
            co_await people_.sleep(std::chrono::seconds(dice.between(1, 9 * 60)));
            co_await boot();
            restarts_.back().second = scheduler_.now();
        }
    }
    env::Task<void> stop_in_order(bool& stopped) {
        co_await server_.stop();
        stopped = true;
    }
    env::Task<void> boot() {
        std::string why = "never";
        bool done = false;
        server_.loop().spawn(start_server(why, done));
        while (!done) co_await people_.sleep(10ms);
        if (!why.empty()) problem_ = "the server does not start: " + why;
        up_ = true;
    }
    env::Task<void> start_server(std::string& why, bool& done) {
        why = co_await server_.start();
        done = true;
    }

    // --- those who write
    env::Task<void> write_letters() {
        SimRandom dice = random_.split("letters");
        constexpr int letters = destinations * letters_each;
        const auto gap = std::chrono::seconds(5 * 86400) / letters;
        std::vector<int> order;
        for (int i = 0; i < letters; ++i) order.push_back(i % destinations);
        for (std::size_t i = order.size() - 1; i > 0; --i) std::swap(order[i], order[dice.between(0, i)]);
        for (int i = 0; i < letters; ++i) {
            if (i % (letters / newsletters) == letters / newsletters / 2) {
                std::vector<std::string> readers;
                for (auto& host : hosts_)
                    for (int n = 0; n < newsletter_readers_each; ++n)
                        readers.push_back(fmt::format("n{}-{}@{}", i, n, host.domain));
                people_.spawn(hand_in(std::move(readers)));
            }
            std::vector<std::string> one{fmt::format(
                "m{}@{}", i, hosts_[static_cast<std::size_t>(order[static_cast<std::size_t>(i)])].domain)};
            people_.spawn(hand_in(std::move(one)));
            co_await people_.sleep(std::chrono::milliseconds(
                dice.between(0, 2 * std::chrono::duration_cast<std::chrono::milliseconds>(gap).count())));
        }
        all_written_ = true;
    }

    Host& host_of(const std::string& recipient) {
        const auto number = base::parse_number(recipient.substr(recipient.find('@') + 2, 3));
        return hosts_[static_cast<std::size_t>(*number)];
    }

    env::Task<void> hand_in(std::vector<std::string> recipients) {
        ++under_way_;
        for (const auto& recipient : recipients) letters_[recipient].host = &host_of(recipient);
        for (;;) {
            Submission submission{"writer@example.org", recipients,
                                  "Subject: a letter\r\nFrom: writer@example.org\r\n\r\nHello\r\n"};
            const env::Endpoint ours{*IpAddress::parse("192.0.2.1"), 25, {}};
            const int code = co_await submit(people_network_, people_, ours, std::move(submission));
            if (code == 250) break;
            co_await people_.sleep(20s);
        }
        for (const auto& recipient : recipients) letters_[recipient].sent = scheduler_.now();
        --under_way_;
    }
    // --- those who receive
    env::Task<void> serve(Host& host) {
        SimRandom dice = random_.split(host.domain);
        if (host.kind == Kind::Dead) co_return;
        SimNetwork network(cables_, net_, host.at.address);
        host.up_since = scheduler_.now();
        for (;;) {
            auto listener = network.listen(host.at);
            CHECK(listener.has_value());
            net_.spawn(accept(host, **listener));
            if (host.kind != Kind::Outages && host.kind != Kind::Silent) co_await net_.sleep_until(never);
            co_await net_.sleep(std::chrono::minutes(dice.between(60, 24 * 60)));
            host.up_times.emplace_back(host.up_since, scheduler_.now());
            host.down = true;
            if (host.kind == Kind::Outages) (*listener)->close();  // refuses; the other kind says nothing
            co_await net_.sleep(std::chrono::minutes(dice.between(10, 20 * 60)));
            host.down = false;
            host.up_since = scheduler_.now();
            (*listener)->close();
            co_await net_.sleep(1ms);  // accept() lets go
        }
    }
    env::Task<void> accept(Host& host, env::Listener& listener) {
        for (;;) {
            auto stream = co_await listener.accept();
            if (!stream) co_return;
            net_.spawn(converse(host, std::move(*stream)));
        }
    }
    env::Task<void> converse(Host& host, std::unique_ptr<env::Stream> stream) {
        LineStream lines(std::move(stream), net_);
        std::vector<std::string> taken;
        std::string sender, answer = "220 " + host.domain + " ESMTP\r\n";
        for (;;) {
            if (host.down) {  // says nothing more
                while (host.down) co_await net_.sleep(1min);
                co_return;
            }
            if (host.kind == Kind::Slow) co_await net_.sleep(20s);
            const bool said = co_await lines.say(answer);
            if (!said) co_return;
            auto line = co_await lines.next();
            if (!line || line->starts_with("QUIT")) co_return;
            answer = "250 2.0.0 Ok\r\n";
            if (line->starts_with("MAIL")) {
                taken.clear();
                sender = *line;
            } else if (line->starts_with("RCPT")) {
                const auto from = line->find('<') + 1;
                answer = judge(host, sender, line->substr(from, line->find('>') - from), taken);
            } else if (line->starts_with("DATA") && taken.empty()) {
                answer = "554 5.5.1 no valid recipients\r\n";
            } else if (line->starts_with("DATA")) {
                co_await lines.say("354 go\r\n");
                const auto content = co_await read_content(lines);
                if (!content) co_return;
                for (const auto& recipient : taken) arrived(recipient);
            }
        }
    }
    std::string judge(Host& host, const std::string& sender, const std::string& recipient,
                      std::vector<std::string>& taken) {
        const auto now = scheduler_.now();
        if (host.kind == Kind::Greylisting) {
            const auto [seen, first] = host.first_seen.try_emplace(sender + " " + recipient, now);
            if (now < seen->second + 4min) return "451 4.7.1 Greylisted, please try again in 240 seconds\r\n";
        }
        if (host.kind == Kind::Limited) {
            if (now > host.hour_began + 1h) {
                host.hour_began = now;
                host.taken_this_hour = 0;
            }
            if (++host.taken_this_hour > 3) return "452 4.7.1 too much mail this hour\r\n";
        }
        if (host.kind == Kind::Refusing && recipient.find("3@") != std::string::npos) {
            host.refused.insert(recipient);
            return "550 5.1.1 no such user\r\n";
        }
        taken.push_back(recipient);
        return "250 2.1.5 Ok\r\n";
    }

    void arrived(const std::string& recipient) {
        auto& letter = letters_[recipient];
        if (!letter.arrived) letter.arrived = scheduler_.now();
        ++letter.copies;
    }

    // --- what our machine says of it
    void on_attempt(const base::DeliveryAttempt& attempt) {
        if (attempt.service == "virtual") return;
        const auto now = scheduler_.now();
        if (attempt.outcome == base::DeliveryOutcome::Bounced) letters_[attempt.recipient].bounced = now;
        const auto before = last_attempt_.find(attempt.recipient);
        if (before != last_attempt_.end()) {
            ++retries_;
            const auto gap = now - before->second;
            const bool restarted = restarted_between(before->second, now);
            if (gap < backoff_min && !restarted)
                complain(fmt::format("{} was tried again after {} s", attempt.recipient, gap / 1s));
            if (gap > backoff_max + run_delay + allowance + (restarted ? restart_max : 0min))
                complain(fmt::format("{} was tried again only after {} s", attempt.recipient, gap / 1s));
        }
        last_attempt_.erase(attempt.recipient);
        waiting_[attempt.queue_id].erase(attempt.recipient);
        if (attempt.outcome != base::DeliveryOutcome::Deferred) return;
        last_attempt_[attempt.recipient] = now;
        waiting_[attempt.queue_id].insert(attempt.recipient);
    }
    void on_expired(const std::string& queue_id) {
        for (const auto& recipient : waiting_[queue_id]) letters_[recipient].bounced = scheduler_.now();
    }
    bool restarted_between(env::SteadyTime from, env::SteadyTime to) const {
        for (const auto& [down, up] : restarts_)
            if (up >= from && down <= to) return true;
        return false;
    }
    void complain(std::string text) {
        if (problem_.empty()) problem_ = std::move(text);
    }

    bool finished() {
        if (!problem_.empty()) return true;
        if (!all_written_ || under_way_ > 0 || !up_ || scheduler_.now() < end_of_week_) return false;
        const auto counts = server_.queue().counts();
        return counts.complete && counts.active + counts.deferred + counts.hold == 0;
    }

    /// The latest moment at which a letter must be there; nullopt: it may also come back.
    std::optional<env::SteadyTime> due(const Letter& letter) const {
        const Host& host = *letter.host;
        const auto wait = backoff_max + run_delay + allowance;
        switch (host.kind) {
            case Kind::Steady:
            case Kind::Slow:
            case Kind::Refusing:
                return letter.sent + allowance;
            case Kind::Greylisting:
                return letter.sent + 2 * (backoff_min + run_delay) + allowance;
            case Kind::Outages:
            case Kind::Silent:
                // The first time that it was up for longer than the longest wait.
                for (const auto& [from, to] : host.up_times)
                    if (to - std::max(from, letter.sent) > wait)
                        return std::min(std::max(from, letter.sent) + wait, letter.sent + lifetime);
                return std::nullopt;
            case Kind::Limited:
            case Kind::Dead:
                return std::nullopt;
        }
        return std::nullopt;
    }

    std::string returned_text() {
        std::string out;
        for (const auto& name : server_.files.list("/mail/box/new").value_or(std::vector<std::string>{}))
            out += server_.files.read("/mail/box/new/" + name, UINT64_MAX).value_or("") + "\n";
        return out;
    }

    std::string check_letter(const std::string& name, const Letter& letter) {
        if (!letter.arrived && !letter.bounced) return name + " is lost";
        const Host& host = *letter.host;
        if (letter.bounced && !letter.arrived) {
            ++bounced_;
            if (!host.refused.contains(name)) {
                const auto age = *letter.bounced - letter.sent;
                if (age + 1min < lifetime) return fmt::format("{} came back after {} h", name, age / 1h);
                if (age > lifetime + backoff_max + run_delay + allowance + restart_max)
                    return fmt::format("{} came back only after {} h", name, age / 1h);
                if (due(letter)) return name + " came back though its host was there";
            }
            return "";
        }
        ++arrived_;
        copies_ += letter.copies - 1;
        if (const auto by = due(letter)) {
            const bool restarted = restarted_between(letter.sent, *letter.arrived);
            if (*letter.arrived > *by + (restarted ? restart_max + run_delay : 0min))
                return fmt::format("{} arrived after {} min, {} min late", name,
                                   (*letter.arrived - letter.sent) / 1min, (*letter.arrived - *by) / 1min);
        }
        return "";
    }

    std::string check() {
        const std::string returned = returned_text();
        for (const auto& [name, letter] : letters_) {
            if (auto wrong = check_letter(name, letter); !wrong.empty()) return wrong;
            const bool told = returned.find("Final-Recipient: rfc822; " + name + "\n") != std::string::npos;
            if (letter.bounced && !letter.arrived && !told)
                return "nobody was told that " + name + " came back";
        }
        if (copies_ > static_cast<int>(restarts_.size()) * 50) return "too many repeats: " + summary();
        if (bounced_ == 0 || retries_ < 1000 || restarts_.size() < 5) return "too quiet a week: " + summary();
        return "";
    }

    Scheduler scheduler_;
    SimRandom random_;
    Cables cables_;
    ServerMachine server_;
    SimLoop people_, net_;
    SimNetwork people_network_;
    std::deque<Host> hosts_;
    std::map<std::string, Letter> letters_;  // by recipient
    std::map<std::string, env::SteadyTime> last_attempt_;
    std::map<std::string, std::set<std::string>> waiting_;  // by queue id: the deferred recipients
    std::vector<std::pair<env::SteadyTime, env::SteadyTime>> restarts_;
    env::SteadyTime end_of_week_ = scheduler_.now() + std::chrono::hours(24 * 7);
    bool up_ = false, all_written_ = false;
    int under_way_ = 0, arrived_ = 0, bounced_ = 0, copies_ = 0;
    long retries_ = 0;
    std::string problem_;
};

TEST(Week, EverythingArrivesOrComesBackInTime) {
    const char* text = std::getenv("POSTRIDER_SIM_WEEKS");
    const auto weeks = base::parse_number(text ? text : "1").value_or(1);
    for (std::uint64_t seed = 1; seed <= weeks && !HasFailure(); ++seed) {
        Week week(seed);
        const std::string problem = week.run();
        std::printf("seed %lu: %s\n", static_cast<unsigned long>(seed), week.summary().c_str());
        EXPECT_EQ(problem, "") << "seed " << seed;
    }
}

}  // namespace
}  // namespace sim
