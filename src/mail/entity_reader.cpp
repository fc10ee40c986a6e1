#include "mail/entity_reader.hpp"

#include "base/text.hpp"
#include "mail/mime_value.hpp"

#include <algorithm>

namespace mail {

void EntityReader::feed(std::string_view octets) {
    if (!begun_) begin_entity(true);
    while (!octets.empty()) {
        // A piece ends behind CRLF, or where it grows too long; never between CR and LF.
        const auto end = octets.find('\n');
        const std::size_t wanted = end == std::string_view::npos ? octets.size() : end + 1;
        const std::size_t room = line_piece_max - std::min(line_.size(), line_piece_max - 1);
        const std::size_t taken = std::min(wanted, room);
        line_ += octets.substr(0, taken);
        octets.remove_prefix(taken);
        const bool whole = line_.ends_with("\r\n");
        if (!whole && line_.size() < line_piece_max) continue;
        const bool split = !whole && line_.ends_with('\r');
        if (split) line_.pop_back();
        line(line_);
        inside_line_ = !whole;
        line_ = split ? "\r" : "";
    }
}

void EntityReader::finish() {
    if (!begun_) begin_entity(true);
    if (!line_.empty()) line(line_);
    line_.clear();
    if (state_ == State::Header) end_header("");
}

void EntityReader::begin_entity(bool is_message) {
    begun_ = true;
    entity_ = Entity{entities_++, is_message, Entity::Kind::Leaf, Encoding::None, false, false};
    state_ = State::Header;
    field_.clear();
    boundary_.clear();
}

bool EntityReader::delimiter(std::string_view line) {
    if (inside_line_) return false;
    const auto found = multiparts_.find(line);
    if (found.kind == Delimiter::None) return false;
    if (state_ == State::Header) end_header("");
    multiparts_.keep(found.still_open);
    state_ = State::Between;
    between_parts(line);
    if (found.kind == Delimiter::NextPart) begin_entity(false);
    return true;
}

void EntityReader::line(std::string_view line) {
    if (delimiter(line)) return;
    switch (state_) {
        case State::Between:
            between_parts(line);
            return;
        case State::Body:
            body_line(line);
            return;
        case State::Header:
            break;
    }
    if (line == "\r\n" && !inside_line_) {
        end_header(line);
        return;
    }
    const bool continues = inside_line_ || line.front() == ' ' || line.front() == '\t';
    if (!continues) {
        end_field();
        const auto name_end = line.find_first_of(": \t\r\n");
        const auto colon = line.find(':');
        const bool is_field =
            colon != std::string_view::npos && colon > 0 && line.find_first_not_of(" \t", name_end) == colon;
        const bool mbox_line = entity_.is_message && line.starts_with("From ");
        if (!is_field && !mbox_line) {  // the header ends without an empty line
            end_header("");
            this->line(line);
            return;
        }
    }
    if (field_.size() + line.size() <= field_octets_max) field_ += line;
    header_line(line);
}

void EntityReader::end_field() {
    const auto colon = field_.find(':');
    if (colon != std::string::npos) {
        const auto name = base::trim(std::string_view(field_).substr(0, colon));
        const std::string_view value = std::string_view(field_).substr(colon + 1);
        if (base::iequals(name, "MIME-Version")) entity_.has_version = true;
        if (base::iequals(name, "Content-Type")) {
            const auto type = parse_parameterized(value);
            entity_.has_type = true;
            boundary_ = type.get("boundary");
            // A message/global part may be encoded as a whole (RFC 6532 §3.7), so it is not looked into.
            const bool holds_message = type.first == "message/rfc822";
            entity_.kind = type.first.starts_with("multipart/") && !boundary_.empty()
                               ? Entity::Kind::Multipart
                           : holds_message ? Entity::Kind::Message
                                           : Entity::Kind::Leaf;
        }
        if (base::iequals(name, "Content-Transfer-Encoding")) {
            const auto word = parse_parameterized(value).first;
            entity_.encoding = word == "7bit"     ? Encoding::SevenBit
                               : word == "8bit"   ? Encoding::EightBit
                               : word == "binary" ? Encoding::Binary
                                                  : Encoding::Other;
        }
    }
    field_.clear();
}

void EntityReader::end_header(std::string_view line) {
    end_field();
    // Encoded as a whole, or too deep: what is inside is not looked into.
    if (entity_.encoding == Encoding::Other || multiparts_.count() >= depth_max)
        entity_.kind = Entity::Kind::Leaf;
    state_ = entity_.kind == Entity::Kind::Multipart ? State::Between : State::Body;
    header_end(line);
    if (entity_.kind == Entity::Kind::Multipart) multiparts_.open(boundary_);
    if (entity_.kind == Entity::Kind::Message && !line.empty()) begin_entity(true);
}

}  // namespace mail
