#include "reports/mime_parts.hpp"

#include "base/text.hpp"
#include "mail/field_parameters.hpp"

#include <algorithm>
#include <optional>

namespace reports {
namespace {

constexpr std::size_t field_octets_max = 64UL << 10;

// The end of the line that begins at `at`, behind its line end.
std::size_t next_line(std::string_view text, std::size_t at) {
    const auto end = text.find('\n', at);
    return end == std::string_view::npos ? text.size() : end + 1;
}

std::string_view without_line_end(std::string_view line) {
    if (line.ends_with('\n')) line.remove_suffix(1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
}

int base64_value(char c) {
    if (base::is_upper(c)) return c - 'A';
    if (base::is_lower(c)) return c - 'a' + 26;
    if (base::is_digit(c)) return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

// Octets outside the alphabet are passed over (RFC 2045 §6.8); padding ends it.
std::string decode_base64(std::string_view text) {
    std::string out;
    out.reserve(text.size() / 4 * 3);
    unsigned bits = 0, count = 0;
    for (const char c : text) {
        if (c == '=') break;
        const int value = base64_value(c);
        if (value < 0) continue;
        bits = (bits << 6 | static_cast<unsigned>(value)) & 0xffffff;
        count += 6;
        if (count < 8) continue;
        count -= 8;
        out += static_cast<char>(bits >> count & 0xff);
    }
    return out;
}

std::string decode_quoted_printable(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '=') {
            out += text[i];
            continue;
        }
        if (const auto octet = base::from_hex(text.substr(i + 1, 2)); octet && octet->size() == 1) {
            out += *octet;
            i += 2;
            continue;
        }
        // A soft line break, perhaps with white space before its end.
        const auto rest = text.find_first_not_of(" \t\r", i + 1);
        if (rest == std::string_view::npos) break;
        if (text[rest] == '\n')
            i = rest;
        else
            out += '=';
    }
    return out;
}

class Splitter {
 public:
    explicit Splitter(MimeLimits limits) : limits_(limits) {}

    void entity(std::string_view text, std::size_t depth) {
        const auto header = header_block_of(text);
        std::string_view body = text.substr(header.size());
        body.remove_prefix(next_line(body, 0));  // the empty line
        const auto type = mail::parse_field_parameters(field_value(header, "Content-Type"));
        const std::string boundary = type.get("boundary");
        if (type.first.starts_with("multipart/") && !boundary.empty() && depth < limits_.depth_max) {
            multipart(body, "--" + boundary, depth);
            return;
        }
        if (parts_.size() >= limits_.parts_max) return;
        MimePart part;
        part.type = type.first.empty() ? "text/plain" : type.first;
        part.name = mail::parse_field_parameters(field_value(header, "Content-Disposition")).get("filename");
        if (part.name.empty()) part.name = type.get("name");
        const auto encoding = base::lower(base::trim(field_value(header, "Content-Transfer-Encoding")));
        const std::string_view taken =
            body.substr(0, std::min(body.size(), 2 * (limits_.octets_max - octets_)));
        part.content = encoding == "base64"             ? decode_base64(taken)
                       : encoding == "quoted-printable" ? decode_quoted_printable(taken)
                                                        : std::string(taken);
        part.content.resize(std::min(part.content.size(), limits_.octets_max - octets_));
        octets_ += part.content.size();
        parts_.push_back(std::move(part));
    }

    std::vector<MimePart> take() { return std::move(parts_); }

 private:
    void multipart(std::string_view body, const std::string& mark, std::size_t depth) {
        std::optional<std::size_t> part_begin;
        std::size_t at = 0;
        while (at < body.size() && parts_.size() < limits_.parts_max) {
            const auto end = next_line(body, at);
            const std::string_view line = without_line_end(body.substr(at, end - at));
            if (line.starts_with(mark)) {
                const std::string_view rest = base::trim(line.substr(mark.size()));
                if (rest.empty() || rest == "--") {
                    // The line end before the boundary belongs to the boundary (RFC 2046 §5.1.1).
                    if (part_begin)
                        entity(without_line_end(body.substr(*part_begin, at - *part_begin)), depth + 1);
                    if (rest == "--") return;
                    part_begin = end;
                }
            }
            at = end;
        }
        if (part_begin && *part_begin < body.size()) entity(body.substr(*part_begin), depth + 1);
    }

    MimeLimits limits_;
    std::size_t octets_ = 0;
    std::vector<MimePart> parts_;
};

}  // namespace

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

std::vector<MimePart> mime_parts(std::string_view message, MimeLimits limits) {
    Splitter splitter(limits);
    splitter.entity(message, 0);
    return splitter.take();
}

}  // namespace reports
