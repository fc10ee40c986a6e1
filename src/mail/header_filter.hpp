// A message's header on its way through, field by field: fields that must not go on are left out
// (message_drop_headers), some are held until they are whole, looked at and perhaps rewritten; everything
// else passes as it came, octet by octet. Memory: the fields that are held, bounded. Pure.
#pragma once

#include "base/text.hpp"

#include <functional>
#include <set>
#include <string>
#include <string_view>

namespace mail {

class HeaderFilter {
 public:
    using Names = std::set<std::string, base::ILess>;
    /// Gets a whole field with its line ends and gives back what goes on instead.
    using Rewrite = std::function<std::string(std::string_view field)>;
    static constexpr std::size_t held_octets_max = 256 * 1024;  // of one field; a longer one passes as it is

    HeaderFilter(const Names& drop, const Names& hold, Rewrite rewrite)
        : drop_(drop), hold_(hold), rewrite_(std::move(rewrite)) {}
    /// The next octets (lines end in CRLF, or LF alone); what goes on is appended to `out`.
    void feed(std::string_view octets, std::string& out);
    /// Behind the last octet.
    void end(std::string& out);
    /// Something of the header was not looked at: a held field too long, or a line that is no field and is
    /// not empty, behind which some readers still see fields (RFC 7103 §7.5).
    bool unreadable() const { return unreadable_; }

 private:
    enum class Mode { LineStart, Pass, Drop, Hold, Body };
    void line_start(std::string& out);
    void take(std::string_view piece, std::string& out);
    void finish_field(std::string& out);
    static constexpr std::size_t name_octets_max = 128;
    Names drop_, hold_;
    Rewrite rewrite_;
    Mode mode_ = Mode::LineStart;  // LineStart: begin_ holds what came of a line whose kind is not known
    Mode field_ = Mode::Pass;      // of the field before
    std::string begin_, held_;
    bool unreadable_ = false;
};

}  // namespace mail
