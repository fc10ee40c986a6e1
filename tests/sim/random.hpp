// Randomness that replays: xoshiro256** seeded through SplitMix64. Each part of a world has a stream of its
// own, split off by name, so that a question more in one part does not change what another part sees.
#pragma once

#include "env/random.hpp"

#include <string_view>

namespace sim {

class SimRandom : public env::Random {
 public:
    explicit SimRandom(std::uint64_t seed) : seed_(seed) {
        std::uint64_t state = seed;
        for (auto& word : state_) word = split_mix(state);
    }
    /// An independent stream: depends on this stream's seed and the name, not on what was drawn so far.
    SimRandom split(std::string_view name) const {
        std::uint64_t hash = 0xcbf29ce484222325U;
        for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
        std::uint64_t state = seed_ ^ hash;
        return SimRandom{split_mix(state)};
    }
    std::uint64_t next() override {
        const std::uint64_t result = rotate(state_[1] * 5, 7) * 9;
        const std::uint64_t shifted = state_[1] << 17;
        state_[2] ^= state_[0];
        state_[3] ^= state_[1];
        state_[1] ^= state_[2];
        state_[0] ^= state_[3];
        state_[2] ^= shifted;
        state_[3] = rotate(state_[3], 45);
        return result;
    }
    void fill(std::span<char> bytes) override {
        for (char& byte : bytes) byte = static_cast<char>(next() & 0xff);
    }
    /// True with this probability. A rate of 0 draws nothing.
    bool chance(double rate) { return rate > 0 && static_cast<double>(next() >> 11) * 0x1p-53 < rate; }
    /// Uniform in [low, high].
    std::uint64_t between(std::uint64_t low, std::uint64_t high) {
        return high <= low ? low : low + below(high - low + 1);
    }

 private:
    static std::uint64_t rotate(std::uint64_t value, int by) { return (value << by) | (value >> (64 - by)); }
    static std::uint64_t split_mix(std::uint64_t& state) {
        std::uint64_t z = (state += 0x9e3779b97f4a7c15U);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
        return z ^ (z >> 31);
    }
    std::uint64_t seed_;
    std::uint64_t state_[4] = {};
};

}  // namespace sim
