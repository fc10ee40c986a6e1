// A message's content read from front to back as MIME sees it (RFC 2045, RFC 2046): header lines, body lines
// and boundaries, entity by entity, in bounded memory. Line ends are CRLF; anything else is content.
// Tolerant: what is not MIME is a body. Pure.
#pragma once

#include "mail/mime_line.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace mail {

class EntityReader {
 public:
    virtual ~EntityReader() = default;
    void feed(std::string_view octets);
    /// After the last octet.
    void finish();

    enum class Encoding { None, SevenBit, EightBit, Binary, Other };  // Content-Transfer-Encoding
    struct Entity {
        std::size_t number = 0;   // from 0, as their headers begin
        bool is_message = false;  // the message itself, or one in a message/rfc822 part
        enum class Kind { Leaf, Multipart, Message } kind = Kind::Leaf;
        Encoding encoding = Encoding::None;
        bool has_type = false, has_version = false;
    };

 protected:
    /// The entity whose header or body is being read; `kind` and the rest are known when its header has
    /// ended.
    const Entity& entity() const { return entity_; }
    /// A line with its line end; where one is very long it comes in pieces, of which only the last has it.
    virtual void header_line(std::string_view line) = 0;
    /// `line`: the empty line that ends the header; "": there is none.
    virtual void header_end(std::string_view line) = 0;
    virtual void body_line(std::string_view line) = 0;
    /// Also what stands before the first and behind the last part of a multipart entity.
    virtual void between_parts(std::string_view line) = 0;

 private:
    static constexpr std::size_t line_piece_max = 8192;
    static constexpr std::size_t field_octets_max = 16384;
    static constexpr std::size_t depth_max = 100;
    enum class State { Header, Body, Between };
    void line(std::string_view line);
    /// When `line` stands between parts.
    bool delimiter(std::string_view line);
    void begin_entity(bool is_message);
    void end_field();
    void end_header(std::string_view line);

    State state_ = State::Header;
    bool begun_ = false, inside_line_ = false;
    Entity entity_;
    std::size_t entities_ = 0;
    std::string line_, field_, boundary_;
    OpenMultiparts multiparts_{Delimiter::None};
};

}  // namespace mail
