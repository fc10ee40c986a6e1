#include "sasl/prepare.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <stringprep.h>

namespace sasl {
namespace {

constexpr std::size_t octets_max = 4096;

}  // namespace

std::optional<std::string> prepared(std::string_view text, PrepareFor purpose) {
    if (text.empty() || text.size() > octets_max || text.find('\0') != std::string_view::npos ||
        !base::is_utf8(text))
        return std::nullopt;
    if (std::ranges::all_of(text, base::is_print)) return std::string(text);
    const int flags = purpose == PrepareFor::Stored ? STRINGPREP_NO_UNASSIGNED : 0;
    char* mapped = nullptr;
    const int done = stringprep_profile(std::string(text).c_str(), &mapped, "SASLprep",
                                        static_cast<Stringprep_profile_flags>(flags));
    const std::unique_ptr<char, decltype(&std::free)> owned(mapped, std::free);
    if (done != STRINGPREP_OK || !mapped || *mapped == '\0') return std::nullopt;
    return std::string(mapped);
}

std::string prepared_or_same(std::string_view text) {
    auto out = prepared(text);
    return out ? std::move(*out) : std::string(text);
}

}  // namespace sasl
