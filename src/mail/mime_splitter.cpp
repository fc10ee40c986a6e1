#include "mail/mime_splitter.hpp"

#include "base/text.hpp"
#include "mail/mime_value.hpp"

#include <algorithm>

namespace mail {
namespace {

bool is_fold(char c) { return c == ' ' || c == '\t'; }

}  // namespace

void MimeSplitter::feed(std::string_view octets) {
    held_.erase(0, taken_);
    taken_ = 0;
    held_ += octets;
}

MimePiece MimeSplitter::take(MimePiece::Kind kind, std::size_t octets) {
    const MimePiece out{kind, block_, std::string_view(held_).substr(taken_, octets), segment_};
    taken_ += octets;
    looked_ = 0;
    return out;
}

std::optional<MimePiece> MimeSplitter::next() { return in_header_ ? next_of_header() : next_of_body(); }

/// Where the field that begins `rest` ends, with its folds; npos: not known yet. `looked_` keeps what need
/// not be looked at again.
std::size_t MimeSplitter::end_of_field(std::string_view rest) {
    for (std::size_t line = looked_;;) {
        const auto newline = rest.find('\n', line);
        if (newline == std::string_view::npos) return finished_ ? rest.size() : newline;
        const std::size_t next = newline + 1;
        const bool empty_line = line == 0 && without_line_end(rest.substr(0, next)).empty();
        if (empty_line || (next < rest.size() && !is_fold(rest[next]))) return next;
        if (next == rest.size()) return finished_ ? next : std::string_view::npos;
        looked_ = line = next;
    }
}

std::optional<MimePiece> MimeSplitter::next_of_header() {
    const std::string_view rest = std::string_view(held_).substr(taken_);
    if (rest.empty()) return std::nullopt;
    passing_ = passing_ && (in_line_ || is_fold(rest.front()));
    if (passing_) {
        const auto newline = rest.find('\n');
        in_line_ = newline == std::string_view::npos;
        return take(MimePiece::Kind::Passing, in_line_ ? rest.size() : newline + 1);
    }
    const std::size_t end = end_of_field(rest);
    if (std::min(end, rest.size()) > limits_.header_octets_max) {
        passing_ = end == std::string_view::npos;
        const auto length = passing_ ? limits_.header_octets_max : end;
        in_line_ = rest[length - 1] != '\n';
        return take(MimePiece::Kind::Passing, length);
    }
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view field = rest.substr(0, end);
    const std::string_view first_line = without_line_end(field.substr(0, field.find('\n')));
    if (first_line.empty()) {
        const MimePiece out = take(MimePiece::Kind::EndOfHeader, end);
        end_header();
        return out;
    }
    const bool part_ends = multiparts_.count() > 0 && first_line.starts_with("--");
    if (part_ends || field_name(first_line).empty()) {  // a header without its empty line (RFC 7103 §7.5)
        const MimePiece out = take(MimePiece::Kind::EndOfHeader, 0);
        end_header();
        return out;
    }
    read_field(field);
    return take(MimePiece::Kind::Header, end);
}

void MimeSplitter::read_field(std::string_view field) {
    if (follow_ == Follow::Nothing) return;
    const std::string_view name = field_name(field);
    const std::string_view value = field.substr(field.find(':') + 1);
    if (base::iequals(name, "Content-Type")) {
        auto type = parse_parameterized(value);
        boundary_ = type.get("boundary");
        type_ = std::move(type.first);
    } else if (base::iequals(name, "Content-Transfer-Encoding")) {
        encoding_ = base::lower(base::trim(value));
    }
}

void MimeSplitter::end_header() {
    in_header_ = false;
    in_line_ = false;
    ++segment_;
    const bool readable = encoding_ != "base64" && encoding_ != "quoted-printable";
    const bool room = multiparts_.count() + nested_ < limits_.nesting_max;
    if (room && type_.starts_with("multipart/") && !boundary_.empty() &&
        boundary_.size() <= limits_.boundary_octets_max) {
        multiparts_.open(boundary_);
    } else if (room && readable && (type_ == "message/rfc822" || type_ == "message/global")) {
        ++nested_;
        in_header_ = true;
        block_ = Block::Nested;
    }
    type_.clear();
    boundary_.clear();
    encoding_.clear();
}

void MimeSplitter::delimiter(std::string_view line) {
    const auto found = multiparts_.find(line);
    if (found.kind == Delimiter::None) return;
    multiparts_.keep(found.still_open);
    nested_ = 0;
    block_ = Block::Part;
    in_header_ = found.kind == Delimiter::NextPart;
    ++segment_;
}

std::optional<MimePiece> MimeSplitter::next_of_body() {
    const std::string_view rest = std::string_view(held_).substr(taken_);
    if (rest.empty()) return std::nullopt;
    if (follow_ == Follow::Nothing) return take(MimePiece::Kind::Body, rest.size());
    const auto newline = rest.find('\n');
    std::size_t length = newline + 1;
    if (newline == std::string_view::npos) {
        if (!finished_ && rest.size() < limits_.line_octets_max) return std::nullopt;
        length = std::min(rest.size(), limits_.line_octets_max);
    }
    length = std::min(length, limits_.line_octets_max);
    const bool begins = !in_line_;
    in_line_ = rest[length - 1] != '\n';
    const std::string_view line = rest.substr(0, length);
    const MimePiece out = take(MimePiece::Kind::Body, length);
    if (begins) delimiter(line);
    return out;
}

}  // namespace mail
