// The parts of a report mail, decoded: just what finding an attachment needs. Bounded in parts, depth and
// octets. Pure.
#pragma once

#include "mail/mime.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace reports {

using mail::field_value;
using mail::header_block_of;

struct MimeLimits {
    std::size_t parts_max = 100;
    std::size_t depth_max = 8;
    std::size_t octets_max = 32UL << 20;  // decoded, of all parts together
};

/// A part that holds no parts. message/… parts are not looked into.
struct MimePart {
    std::string type;     // "text/plain", lower case, without parameters
    std::string name;     // file name; empty: none
    std::string content;  // decoded
};

std::vector<MimePart> mime_parts(std::string_view message, MimeLimits limits = {});

}  // namespace reports
