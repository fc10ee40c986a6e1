// What the server's mechanisms have in common: steps, and what a name may be. For this folder.
#pragma once

#include "base/text.hpp"
#include "sasl/prepare.hpp"
#include "sasl/server.hpp"

#include <utility>

namespace sasl {

constexpr std::size_t name_octets_max = 255;

inline ServerStep challenge_step(std::string text) {
    ServerStep out;
    out.kind = ServerStep::Kind::Challenge;
    out.challenge = std::move(text);
    return out;
}
inline ServerStep malformed_step() { return {}; }
inline ServerStep refused_step(std::string user, std::string why) {
    ServerStep out;
    out.kind = ServerStep::Kind::Refused;
    out.user = std::move(user);
    out.why = std::move(why);
    return out;
}

/// The prepared form (RFC 4013); nullopt: not a name. SASLprep forbids control characters.
inline std::optional<std::string> user_name(std::string_view text) {
    if (text.size() > name_octets_max) return std::nullopt;
    auto out = prepared(text);
    return out && out->size() <= name_octets_max ? std::move(out) : std::nullopt;
}

}  // namespace sasl
