// Addresses that claim to be rewritten senders of ours, and senders of any kind there and back.
#include "srs/rewriter.hpp"

#include "base/check.hpp"
#include "base/text.hpp"

#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const auto at = input.rfind('@');
    srs::Rules rules;
    rules.domain = "fwd.example";
    rules.secrets = {"new", "old"};
    const srs::Rewriter rewriter(rules);
    constexpr std::uint64_t now = 1'800'000'000;
    const mail::Address address{std::string(input.substr(0, at)), at == std::string_view::npos
                                                                      ? "fwd.example"
                                                                      : std::string(input.substr(at + 1))};
    const auto back = rewriter.reverse(address, now);
    CHECK(!back || !back->local_part.empty());
    const auto there = rewriter.forward(address, now);
    if (!there) return 0;
    CHECK(there->local_part.size() <= rules.local_part_octets_max);
    const auto again = rewriter.reverse(*there, now);
    CHECK(again.has_value());
    // An SRS1 address keeps the first rewriter's part; everything else comes back whole (but "srs0" as
    // "SRS0").
    const bool whole =
        again->domain == address.domain && base::iequals(again->local_part, address.local_part);
    CHECK(whole || base::istarts_with(address.local_part, "SRS1"));
    return 0;
}
