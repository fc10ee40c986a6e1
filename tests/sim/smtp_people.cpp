#include "sim/smtp_people.hpp"

namespace sim {
namespace {

std::string stuffed(const std::string& text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '.' && (i == 0 || text[i - 1] == '\n')) out += '.';
        out += text[i];
    }
    return out;
}

}  // namespace

env::Task<int> submit(SimNetwork& network, SimLoop& loop, env::Endpoint to, Submission submission) {
    const env::ConnectOptions how;
    auto stream = co_await network.connect(to, how, loop.clock().steady() + 10s);
    if (!stream) co_return 0;
    LineStream lines(std::move(*stream), loop);
    int code = co_await lines.reply();
    if (code != 220) co_return code;
    std::vector<std::string> commands{"EHLO client\r\n", "MAIL FROM:<" + submission.sender + ">\r\n"};
    for (const auto& recipient : submission.recipients) commands.push_back("RCPT TO:<" + recipient + ">\r\n");
    const std::string& text = submission.text;
    if (submission.by == Submission::By::Chunks) {
        const auto half = text.size() / 2;
        commands.push_back("BDAT " + std::to_string(half) + "\r\n" + text.substr(0, half));
        commands.push_back("BDAT " + std::to_string(text.size() - half) + " LAST\r\n" + text.substr(half));
    } else {
        commands.emplace_back("DATA\r\n");
        commands.push_back(stuffed(text) + ".\r\n");
    }
    for (auto& command : commands) {
        const bool data = command == "DATA\r\n";
        code = co_await lines.command(command);
        if (code != (data ? 354 : 250)) co_return code;
    }
    co_return code;
}

env::Task<std::optional<std::string>> read_content(LineStream& lines) {
    std::string out;
    for (;;) {
        auto line = co_await lines.next();
        if (!line) co_return std::nullopt;
        if (*line == ".") co_return out;
        out += (line->starts_with('.') ? line->substr(1) : *line) + "\r\n";
    }
}

}  // namespace sim
