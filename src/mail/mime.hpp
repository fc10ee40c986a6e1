// The tree of a message's MIME parts (RFC 2045, RFC 2046), tolerant of what real programs write: what is odd
// is noted, not refused. Bounded in parts, depth and look-up; parts are views by offset into the message.
// Pure.
#pragma once

#include "mail/mime_value.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace mail {

struct MimeLimits {
    std::size_t parts_max = 1000;
    std::size_t depth_max = 20;  // multiparts and messages within each other
};

struct MimeEntity {
    std::size_t header_begin = 0, body_begin = 0, end = 0;  // octets of the message
    std::string type = "text/plain";                        // lower case, without parameters
    std::string charset, encoding, disposition;             // lower case; empty: not given
    std::string filename;                                   // UTF-8 where it could be decoded; empty: none
    std::string content_id;
    std::size_t field_count = 0;
    std::vector<std::string> defects;  // in plain words
    std::vector<MimeEntity> parts;     // of a multipart, or the one message of a message/rfc822

    std::string_view body(std::string_view message) const {
        return message.substr(body_begin, end - body_begin);
    }
    std::string_view header_block(std::string_view message) const {
        return message.substr(header_begin, body_begin - header_begin);
    }
    /// The body with its transfer encoding undone, cut at `octets_max`.
    std::string decoded(std::string_view message, std::size_t octets_max) const;
};

MimeEntity parse_mime(std::string_view message, MimeLimits limits = {});

/// The unfolded value of the first such field of a header block; "": none.
std::string field_value(std::string_view header_block, std::string_view name);
/// Where the header ends; all of it when there is no empty line.
std::string_view header_block_of(std::string_view message);

}  // namespace mail
