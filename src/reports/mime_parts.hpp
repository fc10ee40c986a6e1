// The parts of a report mail, decoded (RFC 2045, RFC 2046): just what finding an attachment needs, tolerant
// of what real senders write. Bounded in parts, depth and octets. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace reports {

struct MimeLimits {
    std::size_t parts_max = 100;
    std::size_t depth_max = 8;
    std::size_t octets_max = 32UL << 20;  // decoded, of all parts together
};

/// A part that holds no parts. message/… parts are not looked into.
struct MimePart {
    std::string type;     // "text/plain", lower case, without parameters
    std::string name;     // file name, as written; empty: none
    std::string content;  // decoded
};

/// The unfolded value of the first such field of a header block; "": none.
std::string field_value(std::string_view header_block, std::string_view name);
/// Where the header ends; all of it when there is no empty line.
std::string_view header_block_of(std::string_view message);

std::vector<MimePart> mime_parts(std::string_view message, MimeLimits limits = {});

}  // namespace reports
