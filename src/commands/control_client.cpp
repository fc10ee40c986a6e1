#include "commands/control_client.hpp"

#include <fmt/format.h>

namespace commands {

env::Task<std::expected<void, ServerTrouble>> ask_server(env::Loop& loop, env::Network& network,
                                                         std::string socket_path, nlohmann::json request,
                                                         std::function<void(const nlohmann::json&)> on_line) {
    constexpr auto connect_timeout = std::chrono::seconds(5);
    constexpr auto answer_timeout = std::chrono::minutes(10);  // big queues take a while
    constexpr std::size_t line_octets_max = 64 << 20;
    const env::Endpoint to{{}, 0, socket_path};
    env::ConnectOptions how;
    auto stream = co_await network.connect(to, how, loop.clock().steady() + connect_timeout);
    if (!stream) {
        const bool denied = stream.error() == env::IoError::PermissionDenied;
        ServerTrouble trouble;
        trouble.kind = denied ? ServerTrouble::Kind::Denied : ServerTrouble::Kind::Down;
        trouble.text = denied ? fmt::format("may not use {}; run as root or as the mail_owner", socket_path)
                              : fmt::format("the server is not running (nobody listens on {})", socket_path);
        co_return std::unexpected(std::move(trouble));
    }
    const std::string line = request.dump() + "\n";
    auto sent = co_await (*stream)->write(line, loop.clock().steady() + connect_timeout);
    std::string input;
    std::string piece(64 * 1024, '\0');
    while (sent) {
        auto got = co_await (*stream)->read_some(piece, loop.clock().steady() + answer_timeout);
        if (!got || *got == 0) break;
        input.append(piece, 0, *got);
        std::size_t begin = 0;
        for (auto end = input.find('\n'); end != std::string::npos; end = input.find('\n', begin)) {
            const auto value = nlohmann::json::parse(input.substr(begin, end - begin), nullptr, false);
            begin = end + 1;
            ServerTrouble trouble;
            trouble.text = "the server's answer is not JSON";
            if (!value.is_object()) co_return std::unexpected(std::move(trouble));
            if (value.value("done", false)) {
                (*stream)->close();
                if (!value.contains("error")) co_return std::expected<void, ServerTrouble>{};
                trouble.text = value["error"].get<std::string>();
                co_return std::unexpected(std::move(trouble));
            }
            on_line(value);
        }
        input.erase(0, begin);
        if (input.size() > line_octets_max) break;
    }
    (*stream)->close();
    ServerTrouble early;
    early.text = "the server closed the connection before its answer was complete";
    co_return std::unexpected(std::move(early));
}

}  // namespace commands
