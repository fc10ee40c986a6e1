// What happened in a world, as one number (two runs of a seed must agree) and, for people, as the last lines
// of text.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

namespace sim {

class Trace {
 public:
    /// Notes a step: hashed for ever, kept as text among the last `lines_kept`.
    void add(std::int64_t nanoseconds, std::string_view text) {
        mix(static_cast<std::uint64_t>(nanoseconds));
        for (const char c : text) hash_ = (hash_ ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
        lines_.push_back(std::to_string(nanoseconds / 1000) + " " + std::string(text.substr(0, 200)));
        if (lines_.size() > lines_kept) lines_.pop_front();
    }
    void mix(std::uint64_t number) {
        for (int i = 0; i < 8; ++i) hash_ = (hash_ ^ ((number >> (8 * i)) & 0xff)) * 0x100000001b3U;
    }
    std::uint64_t hash() const { return hash_; }
    /// The last lines, each "microseconds text".
    const std::deque<std::string>& tail() const { return lines_; }

 private:
    static constexpr std::size_t lines_kept = 500;
    std::uint64_t hash_ = 0xcbf29ce484222325U;
    std::deque<std::string> lines_;
};

}  // namespace sim
