// What single lines of a MIME message are, for all its readers: fields (RFC 5322 §2.2) and the delimiters
// between a multipart's parts (RFC 2046 §5.1.1). Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace mail {

/// LF or CRLF.
std::string_view without_line_end(std::string_view line);

/// The name of a field; "" when `line` is none. White space before the colon is tolerated.
std::string_view field_name(std::string_view line);

/// White space and a line end may follow a delimiter.
enum class Delimiter {
    None,
    NextPart,     // --boundary
    Last,         // --boundary--
    LastWithMore  // the same, and other text behind it: Postfix takes it for the last one, others for none
};
/// `mark`: "--" and the boundary.
Delimiter delimiter_of(std::string_view line, std::string_view mark);

/// The multiparts around what a reader is at.
class OpenMultiparts {
 public:
    /// `with_more`: what LastWithMore is, None or Last.
    explicit OpenMultiparts(Delimiter with_more) : with_more_(with_more) {}
    std::size_t count() const { return marks_.size(); }
    void open(std::string_view boundary) { marks_.push_back("--" + std::string(boundary)); }
    struct Found {
        Delimiter kind = Delimiter::None;  // never LastWithMore
        std::size_t still_open = 0;        // behind the line: a delimiter also ends what is inside
    };
    /// The innermost that `line` is a delimiter of.
    Found find(std::string_view line) const;
    void keep(std::size_t still_open) { marks_.resize(still_open); }

 private:
    Delimiter with_more_;
    std::vector<std::string> marks_;  // outermost first
};

}  // namespace mail
