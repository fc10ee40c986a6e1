// Lines over a stream: how the people and the hosts of a simulated world speak SMTP.
#pragma once

#include "env/network.hpp"
#include "sim/loop.hpp"

#include <cstdlib>
#include <memory>
#include <optional>
#include <string>

namespace sim {

using namespace std::chrono_literals;

/// Lines over a stream.
class LineStream {
 public:
    LineStream(std::unique_ptr<env::Stream> stream, SimLoop& loop)
        : stream_(std::move(stream)), loop_(loop) {}
    env::Task<std::optional<std::string>> next() {
        for (;;) {
            if (const auto end = input_.find('\n'); end != std::string::npos) {
                std::string line = input_.substr(0, end);
                input_.erase(0, end + 1);
                if (line.ends_with('\r')) line.pop_back();
                co_return line;
            }
            std::string piece(4096, '\0');
            auto got = co_await stream_->read_some(piece, loop_.clock().steady() + 120s);
            if (!got || *got == 0) co_return std::nullopt;
            input_.append(piece, 0, *got);
        }
    }
    env::Task<int> reply() {
        for (;;) {
            auto line = co_await next();
            if (!line || line->size() < 3) co_return 0;
            if (line->size() > 3 && (*line)[3] == '-') continue;
            co_return std::atoi(line->c_str());
        }
    }
    env::Task<bool> say(std::string text) {
        auto sent = co_await stream_->write(text, loop_.clock().steady() + 60s);
        co_return sent.has_value();
    }
    env::Task<int> command(std::string text) {
        const bool sent = co_await say(std::move(text));
        if (!sent) co_return 0;
        const int code = co_await reply();
        co_return code;
    }
    void close() { stream_->close(); }

 private:
    std::unique_ptr<env::Stream> stream_;
    SimLoop& loop_;
    std::string input_;
};

}  // namespace sim
