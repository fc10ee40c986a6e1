// Runs the *.smtp files of this folder (README.md says how they are written): one test for each.
#include "base/text.hpp"
#include "sim/server_machine.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>

namespace sim {
namespace {

using namespace std::chrono_literals;
using env::IpAddress;

constexpr const char* main_cf =
    "compatibility_level = 3.6\nmyhostname = mail.example.com\nmydomain = example.com\nmydestination =\n"
    "mynetworks = 192.0.2.0/24\nalias_maps =\nvirtual_mailbox_domains = example.org\n"
    "virtual_mailbox_base = /mail\nvirtual_mailbox_maps = inline:{ann@example.org=ann/, "
    "bob@example.org=bob/}\n"
    "virtual_minimum_uid = 1\nvirtual_uid_maps = static:1000\nvirtual_gid_maps = static:1000\n"
    "smtpd_peername_lookup = no\nsmtp_tls_security_level = none\n";

bool matches(std::string_view pattern, std::string_view text) {
    if (pattern.empty()) return text.empty();
    if (pattern.front() == '*') {
        for (std::size_t i = 0; i <= text.size(); ++i)
            if (matches(pattern.substr(1), text.substr(i))) return true;
        return false;
    }
    return !text.empty() && (pattern.front() == '?' || pattern.front() == text.front()) &&
           matches(pattern.substr(1), text.substr(1));
}

std::string unescape(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '\\' || i + 1 >= text.size()) {
            out += text[i];
            continue;
        }
        switch (text[++i]) {
            case 'r':
                out += '\r';
                break;
            case 'n':
                out += '\n';
                break;
            case '0':
                out += '\0';
                break;
            case 'x':
                if (const auto octet = base::from_hex(text.substr(i + 1, 2)); octet && octet->size() == 1) {
                    out += *octet;
                    i += 2;
                }
                break;
            default:
                out += text[i];
        }
    }
    return out;
}

env::Duration parse_duration(std::string_view text) {
    const auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
    const auto number = static_cast<std::int64_t>(base::parse_number(text.substr(0, digits)).value_or(0));
    const auto unit = text.substr(digits);
    if (unit == "min") return std::chrono::minutes(number);
    if (unit == "h") return std::chrono::hours(number);
    CHECK(unit == "s");
    return std::chrono::seconds(number);
}

class Conversation {
 public:
    explicit Conversation(const std::string& path)
        : cables_(scheduler_, SimRandom(1).split("network")),
          server_(scheduler_, cables_, SimRandom(1).split("server"),
                  {*IpAddress::parse("192.0.2.1"), 25, {}}),
          people_(scheduler_, "people"),
          network_(cables_, people_, *IpAddress::parse("198.51.100.7")) {
        std::ifstream in(path);
        for (std::string line; std::getline(in, line);) lines_.push_back(line);
    }

    void run() {
        std::string main = main_cf;
        std::string file;  // being written
        for (number_ = 0; number_ < lines_.size(); ++number_) {
            const std::string_view line = lines_[number_];
            if (!file.empty() && line.starts_with(' ')) {
                files_[file] += std::string(line.substr(1)) + "\n";
                continue;
            }
            file.clear();
            if (line.empty() || line.starts_with('#')) continue;
            const auto space = std::min(line.find(' '), line.size());
            const auto word = line.substr(0, space);
            const auto rest = base::trim(line.substr(space));
            if (word == "config") {
                main += std::string(rest) + "\n";
            } else if (word == "file") {
                file = rest;
                files_[file];
            } else if (word == "dns") {
                server_.dns.add(rest);
            } else {
                if (!server_.running()) start(main);
                if (testing::Test::HasFatalFailure()) return;
                act(word, line.substr(std::min(space + 1, line.size())));
            }
            if (testing::Test::HasFatalFailure()) return;
        }
        stream_.reset();
    }

 private:
    std::string here() const { return "line " + std::to_string(number_ + 1) + ": " + lines_[number_]; }

    void start(const std::string& main) {
        server_.files.place("/etc/postrider/main.cf", main);
        server_.files.place("/etc/postrider/master.cf", "smtp inet n - n - - smtpd\n");
        for (const auto& [path, text] : files_) server_.files.place(path, text);
        server_.files.place_directory("/mail");
        const std::string why = people_.run(server_.start());
        ASSERT_EQ(why, "") << here();
    }

    void act(std::string_view word, std::string_view rest) {
        if (word == "connect") {
            const auto address = IpAddress::parse(rest);
            ASSERT_TRUE(rest.empty() || address) << here();
            connect(address ? std::optional(*address) : std::nullopt);
        } else if (word == "C:" || word == "C-") {
            if (!stream_) connect(std::nullopt);
            const std::string text = unescape(rest) + (word == "C:" ? "\r\n" : "");
            auto sent = people_.run(stream_->write(text, people_.clock().steady() + 60s));
            EXPECT_TRUE(sent.has_value()) << here();
        } else if (word == "S:") {
            if (!stream_) connect(std::nullopt);
            const auto got = people_.run(next_line());
            ASSERT_TRUE(got.has_value()) << here() << "\nthe server said nothing";
            EXPECT_TRUE(matches(rest, *got)) << here() << "\ngot:    " << *got;
        } else if (word == "closed") {
            const auto got = people_.run(next_line());
            EXPECT_FALSE(got.has_value()) << here() << "\ngot:    " << got.value_or("");
            stream_.reset();
        } else if (word == "advance") {
            scheduler_.run_for(parse_duration(rest));
        } else if (word == "mailbox") {
            const auto words = base::split_any(rest, " ");
            ASSERT_EQ(words.size(), 2U) << here();
            const auto count = *base::parse_number(words[1]);
            people_.run_until([&] { return messages(words[0]).size() >= count; }, 60s);
            EXPECT_EQ(messages(words[0]).size(), count) << here();
        } else if (word == "content" || word == "no-content") {
            const auto space = rest.find(' ');
            bool found = false;
            for (const auto& message : messages(rest.substr(0, space)))
                for (const auto line : base::split(message, '\n'))
                    found = found || matches(rest.substr(space + 1), line);
            EXPECT_EQ(found, word == "content") << here();
        } else if (word == "log") {
            bool found = false;
            for (const auto& line : scheduler_.trace.tail())
                found = found || matches("*" + std::string(rest) + "*", line);
            EXPECT_TRUE(found) << here();
        } else {
            FAIL() << here() << "\nnot a word of conversations: see README.md";
        }
    }

    std::vector<std::string> messages(std::string_view folder) {
        std::vector<std::string> out;
        const std::string path = "/mail/" + std::string(folder) + "/new";
        for (const auto& name : server_.files.list(path).value_or(std::vector<std::string>{}))
            out.push_back(*server_.files.read(path + "/" + name, UINT64_MAX));
        return out;
    }

    void connect(std::optional<IpAddress> from) {
        input_.clear();
        stream_.reset();
        env::ConnectOptions how;
        how.bind_address = from;
        const env::Endpoint to{*IpAddress::parse("192.0.2.1"), 25, {}};
        auto stream = people_.run(network_.connect(to, how, people_.clock().steady() + 10s));
        ASSERT_TRUE(stream.has_value()) << here();
        stream_ = std::move(*stream);
    }

    env::Task<std::optional<std::string>> next_line() {
        for (;;) {
            if (const auto end = input_.find("\r\n"); end != std::string::npos) {
                std::string line = input_.substr(0, end);
                input_.erase(0, end + 2);
                co_return line;
            }
            std::string piece(4096, '\0');
            auto got = co_await stream_->read_some(piece, people_.clock().steady() + 3600s);
            if (!got || *got == 0) co_return std::nullopt;
            input_.append(piece, 0, *got);
        }
    }

    Scheduler scheduler_;
    Cables cables_;
    ServerMachine server_;
    SimLoop people_;
    SimNetwork network_;
    std::map<std::string, std::string> files_;
    std::vector<std::string> lines_;
    std::size_t number_ = 0;
    std::unique_ptr<env::Stream> stream_;
    std::string input_;
};

class ConversationTest : public testing::Test {
 public:
    explicit ConversationTest(std::string path) : path_(std::move(path)) {}
    void TestBody() override { Conversation(path_).run(); }

 private:
    std::string path_;
};

}  // namespace
}  // namespace sim

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(CONVERSATIONS))
        if (entry.path().extension() == ".smtp") files.push_back(entry.path());
    std::ranges::sort(files);
    for (const auto& file : files)
        testing::RegisterTest("Conversation", std::filesystem::path(file).stem().c_str(), nullptr, nullptr,
                              file.c_str(), 1,
                              [file]() -> testing::Test* { return new sim::ConversationTest(file); });
    return RUN_ALL_TESTS();
}
