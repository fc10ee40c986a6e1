#include "mail/mime.hpp"

#include "base/text.hpp"
#include "mail/mime_line.hpp"

#include <algorithm>
#include <optional>

namespace mail {
namespace {

constexpr std::size_t field_octets_max = 64UL << 10;

// The end of the line that begins at `at`, behind its line end.
std::size_t next_line(std::string_view text, std::size_t at) {
    const auto end = text.find('\n', at);
    return end == std::string_view::npos ? text.size() : end + 1;
}

bool is_field_line(std::string_view line) {
    const auto colon = line.find(':');
    return colon != std::string_view::npos && colon > 0 &&
           std::ranges::all_of(base::trim(line.substr(0, colon)), [](char c) { return c > ' ' && c < 0x7f; });
}

class Reader {
 public:
    Reader(std::string_view message, MimeLimits limits) : message_(message), limits_(limits) {}

    MimeEntity entity(std::size_t begin, std::size_t end, std::size_t depth, std::string_view default_type) {
        ++parts_;
        MimeEntity out;
        out.header_begin = begin;
        out.end = end;
        out.type = default_type;
        read_header(out);
        const auto header = out.header_block(message_);
        const auto type = parse_parameterized(field_value(header, "Content-Type"));
        if (type.first.find('/') != std::string::npos)
            out.type = type.first;  // else the default (RFC 2045 §5.2)
        out.charset = base::lower(type.get("charset"));
        out.encoding = parse_parameterized(field_value(header, "Content-Transfer-Encoding")).first;
        out.content_id = field_value(header, "Content-ID");
        const auto disposition = parse_parameterized(field_value(header, "Content-Disposition"));
        out.disposition = disposition.first;
        out.filename = disposition.get("filename");
        if (out.filename.empty()) out.filename = type.get("name");
        const bool multipart = out.type.starts_with("multipart/");
        const bool message = out.type == "message/rfc822" || out.type == "message/global";
        if (!multipart && !message) return out;
        if (depth >= limits_.depth_max) {
            out.defects.emplace_back("nested too deeply: not looked into");
        } else if (multipart) {
            read_parts(out, type.get("boundary"), depth);
        } else if (parts_ < limits_.parts_max && (out.encoding.empty() || out.encoding == "7bit" ||
                                                  out.encoding == "8bit" || out.encoding == "binary")) {
            out.parts.push_back(entity(out.body_begin, out.end, depth + 1, "text/plain"));
        }
        return out;
    }

 private:
    std::string_view all(const MimeEntity& e) const {
        return message_.substr(e.header_begin, e.end - e.header_begin);
    }

    /// Sets body_begin and field_count. A line that is no field ends the header as an empty line does (RFC
    /// 7103 §7.5), and belongs to the body.
    void read_header(MimeEntity& out) const {
        const std::string_view text = all(out);
        std::size_t at = 0;
        while (at < text.size()) {
            const auto end = next_line(text, at);
            const auto line = without_line_end(text.substr(at, end - at));
            if (line.empty()) {
                out.body_begin = out.header_begin + end;
                return;
            }
            const bool continuation = out.field_count > 0 && (line.front() == ' ' || line.front() == '\t');
            if (!continuation && !is_field_line(line)) {
                if (at == 0 && line.starts_with("From ")) {  // an mbox's separator
                    at = end;
                    continue;
                }
                out.defects.emplace_back(
                    "a line that is no field stands in the header: the body begins there");
                out.body_begin = out.header_begin + at;
                return;
            }
            out.field_count += continuation ? 0 : 1;
            at = end;
        }
        out.body_begin = out.end;
    }

    void read_parts(MimeEntity& out, const std::string& boundary, std::size_t depth) {
        if (boundary.empty()) {
            out.defects.emplace_back("a multipart without a boundary");
            return;
        }
        const std::string mark = "--" + boundary;
        const std::string_view type = out.type == "multipart/digest" ? "message/rfc822" : "text/plain";
        std::optional<std::size_t> part_begin;
        const auto add = [&](std::size_t end) {
            if (parts_ >= limits_.parts_max) {
                if (out.defects.empty() || out.defects.back() != "too many parts")
                    out.defects.emplace_back("too many parts");
                return;
            }
            out.parts.push_back(entity(*part_begin, end, depth + 1, type));
        };
        std::size_t at = out.body_begin;
        while (at < out.end && parts_ <= limits_.parts_max) {
            const auto end = std::min(next_line(message_, at), out.end);
            const auto line = without_line_end(message_.substr(at, end - at));
            const auto delimiter = delimiter_of(line, mark);
            if (delimiter == Delimiter::NextPart || delimiter == Delimiter::Last) {
                // The line end before the boundary belongs to the boundary (RFC 2046 §5.1.1): without one
                // there is no part.
                if (part_begin && *part_begin < at)
                    add(*part_begin +
                        without_line_end(message_.substr(*part_begin, at - *part_begin)).size());
                if (delimiter == Delimiter::Last) {
                    if (!part_begin) out.defects.emplace_back("the boundary does not stand in the body");
                    return;
                }
                part_begin = end;
            }
            at = end;
        }
        if (!part_begin) {
            out.defects.emplace_back("the boundary does not stand in the body");
            return;
        }
        out.defects.emplace_back("the closing boundary is missing");
        if (*part_begin < out.end) add(out.end);
    }

    std::string_view message_;
    MimeLimits limits_;
    std::size_t parts_ = 0;
};

}  // namespace

std::string MimeEntity::decoded(std::string_view message, std::size_t octets_max) const {
    // An encoding makes at most three octets of one, and lines: more than that is never needed.
    constexpr std::size_t encoded_ratio = 4;
    const std::string_view text =
        body(message).substr(0, std::min(octets_max, message.size()) * encoded_ratio);
    std::string out = encoding == "base64"             ? decode_base64_lenient(text)
                      : encoding == "quoted-printable" ? decode_quoted_printable(text)
                                                       : std::string(text.substr(0, octets_max));
    out.resize(std::min(out.size(), octets_max));
    return out;
}

MimeEntity parse_mime(std::string_view message, MimeLimits limits) {
    Reader reader(message, limits);
    return reader.entity(0, message.size(), 0, "text/plain");
}

std::string_view header_block_of(std::string_view message) {
    std::size_t at = 0;
    while (at < message.size()) {
        const auto end = next_line(message, at);
        if (without_line_end(message.substr(at, end - at)).empty()) return message.substr(0, at);
        at = end;
    }
    return message;
}

std::string field_value(std::string_view header_block, std::string_view name) {
    std::size_t at = 0;
    while (at < header_block.size()) {
        auto end = next_line(header_block, at);
        const std::string_view first = without_line_end(header_block.substr(at, end - at));
        const auto colon = first.find(':');
        const bool wanted =
            colon != std::string_view::npos && base::iequals(base::trim(first.substr(0, colon)), name);
        std::string value;
        if (wanted) value = base::trim(first.substr(colon + 1));
        while (end < header_block.size() && (header_block[end] == ' ' || header_block[end] == '\t')) {
            const auto more = next_line(header_block, end);
            if (wanted && value.size() < field_octets_max)
                value +=
                    " " + std::string(base::trim(without_line_end(header_block.substr(end, more - end))));
            end = more;
        }
        if (wanted) {
            value.resize(std::min(value.size(), field_octets_max));
            return value;
        }
        at = end;
    }
    return {};
}

}  // namespace mail
