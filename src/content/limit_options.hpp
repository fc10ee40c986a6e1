// How far content is looked into, whichever way it goes, under its main.cf names.
#pragma once

#include "base/parameter.hpp"
#include "mail/mime_splitter.hpp"

#include <cstdint>

namespace content {

/// Option structs of those who look into content derive from it.
struct LimitOptions {
    std::uint32_t header_octets = 102400, line_octets = 2048, boundary_octets = 2048, nesting = 100;
    static constexpr void describe(auto& parameter) {
        using O = LimitOptions;
        using base::Between;
        parameter("header_size_limit", &O::header_octets, Between{1024, 100000000},
                  "The longest header field that is looked at.");
        parameter("line_length_limit", &O::line_octets, Between{512, 65536},
                  "The longest body line that is looked at in one piece.");
        parameter("mime_boundary_length_limit", &O::boundary_octets, Between{1, 100000},
                  "The longest MIME boundary that tells parts apart.");
        parameter("mime_nesting_limit", &O::nesting, Between{1, 1000},
                  "How deep MIME parts are followed into one another.");
    }
    mail::MimeSplitterLimits limits() const { return {header_octets, line_octets, boundary_octets, nesting}; }
};

}  // namespace content
