// Those at the other ends of a simulated world's connections: a client that hands in a message, and what a
// sink reads.
#pragma once

#include "sim/line_stream.hpp"
#include "sim/network.hpp"

#include <optional>
#include <string>
#include <vector>

namespace sim {

struct Submission {
    std::string sender;
    std::vector<std::string> recipients;
    std::string text;  // CRLF, not stuffed
    enum class By { Data, Chunks } by = By::Data;
};

/// One attempt. The reply code that ended it: 250, or the first refusal; 0: the connection broke.
env::Task<int> submit(SimNetwork& network, SimLoop& loop, env::Endpoint to, Submission submission);

/// What stands between "354" and the final dot, unstuffed; nullopt: it broke off.
env::Task<std::optional<std::string>> read_content(LineStream& lines);

}  // namespace sim
