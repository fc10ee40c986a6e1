// States of key rotation: what is read is what is written, and a step leaves a state that can be kept.
#include "policy/key_rotation.hpp"

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const auto state = policy::parse_rotation(input);
    if (!state) return 0;
    const auto again = policy::parse_rotation(policy::to_state_text(*state));
    if (!again || policy::to_state_text(*again) != policy::to_state_text(*state)) std::abort();
    for (const auto seen : {dkim::Published::Matches, dkim::Published::Missing, dkim::Published::Unknown}) {
        policy::PublishedKeys published;
        for (const auto& key : state->keys) published[key.selector] = seen;
        const auto step = policy::advance(*state, published, state->since + 1, {});
        if (!policy::parse_rotation(policy::to_state_text(step.after))) std::abort();
    }
    return 0;
}
