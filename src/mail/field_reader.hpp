// Some fields of a message's header, each whole, while the message streams by; as lenient in what is a field
// as those who may read it later. Memory: the field at hand, bounded. Pure.
#pragma once

#include "base/text.hpp"

#include <functional>
#include <set>
#include <string>
#include <string_view>

namespace mail {

class FieldReader {
 public:
    using Names = std::set<std::string, base::ILess>;
    /// Gets a whole field with its line ends.
    using Take = std::function<void(std::string_view field)>;
    static constexpr std::size_t held_octets_max = 256 * 1024;  // of one field; a longer one is not read

    FieldReader(const Names& wanted, Take take) : wanted_(wanted), take_(std::move(take)) {}
    /// The next octets; lines end in CRLF, or LF alone.
    void feed(std::string_view octets);
    /// Behind the last octet.
    void end();
    /// Something of the header was not looked at: a wanted field too long, or a line that is no field and is
    /// not empty, behind which some readers still see fields (RFC 7103 §7.5).
    bool unreadable() const { return unreadable_; }

 private:
    enum class Mode { LineStart, Pass, Hold, Body };
    void line_start();
    void hold(std::string_view piece);
    void finish_field();
    static constexpr std::size_t name_octets_max = 128;
    Names wanted_;
    Take take_;
    Mode mode_ = Mode::LineStart;  // LineStart: begin_ holds what came of a line whose kind is not known
    Mode field_ = Mode::Pass;      // of the field before
    std::string begin_, held_;
    bool unreadable_ = false;
};

}  // namespace mail
