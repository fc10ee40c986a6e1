// A message cut into what header_checks(5) looks at while it streams by: logical header fields (with their
// folds), the end of each header, body lines. MIME parts are followed as RFC 2046 nests them, attached
// messages (message/rfc822) too. Every octet fed comes out again, once and in order, in some piece; memory is
// bounded by the limits. Pure.
#pragma once

#include "mail/mime_line.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mail {

struct MimeSplitterLimits {
    std::size_t header_octets_max = 102400;  // of one field with its folds
    std::size_t line_octets_max = 2048;      // of one body line; a longer one comes in pieces
    std::size_t boundary_octets_max = 2048;  // what is longer tells no parts apart
    std::size_t nesting_max = 100;           // deeper parts are plain text
};

struct MimePiece {
    enum class Kind {
        Header,       // one field, whole
        EndOfHeader,  // the empty line; no text where a header ends without one
        Body,         // a line of a body, or what there is of it
        Passing       // of a field that is over the limit: to be handed on unseen
    } kind;
    enum class Block { Primary, Part, Nested } block;  // whose header or body this is
    std::string_view text;                             // with its line ends; valid until the next feed()
    std::size_t segment;                               // the number of the body it belongs to
};

class MimeSplitter {
 public:
    enum class Follow {
        Parts,   // body lines one by one, headers of parts and attached messages
        Nothing  // behind the message's own header everything is Body, in pieces of any size
    };
    MimeSplitter(Follow follow, MimeSplitterLimits limits) : limits_(limits), follow_(follow) {}
    void feed(std::string_view octets);
    /// Behind the last octet: what is held back comes out.
    void finish() { finished_ = true; }
    /// nullopt: nothing more before the next feed().
    std::optional<MimePiece> next();

 private:
    using Block = MimePiece::Block;
    std::optional<MimePiece> next_of_header();
    std::optional<MimePiece> next_of_body();
    std::size_t end_of_field(std::string_view rest);
    MimePiece take(MimePiece::Kind kind, std::size_t octets);
    void read_field(std::string_view field);
    void end_header();
    /// When `line` is a delimiter of an enclosing multipart: the state is what follows it.
    void delimiter(std::string_view line);

    MimeSplitterLimits limits_;
    Follow follow_;
    std::string held_;
    std::size_t taken_ = 0;   // of held_
    std::size_t looked_ = 0;  // of what is not taken: no field ends before
    bool finished_ = false, in_header_ = true, passing_ = false, in_line_ = false;
    Block block_ = Block::Primary;
    std::size_t segment_ = 0;
    std::string type_, boundary_, encoding_;  // of the header being read
    OpenMultiparts multiparts_{Delimiter::Last};
    std::size_t nested_ = 0;  // attached messages around
};

}  // namespace mail
