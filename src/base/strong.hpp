// Strong types for ids: two numbers of different meaning must not mix.
#pragma once

#include <compare>
#include <cstdint>

namespace base {

template <class Tag, class Value = std::uint64_t>
struct Strong {
    Value value{};
    auto operator<=>(const Strong&) const = default;
};

}  // namespace base
