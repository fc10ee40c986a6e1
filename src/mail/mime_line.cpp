#include "mail/mime_line.hpp"

#include "base/text.hpp"

#include <algorithm>

namespace mail {

std::string_view without_line_end(std::string_view line) {
    if (line.ends_with('\n')) line.remove_suffix(1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
}

std::string_view field_name(std::string_view line) {
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) return {};
    std::string_view name = line.substr(0, colon);
    while (name.ends_with(' ') || name.ends_with('\t')) name.remove_suffix(1);
    const bool good = std::ranges::all_of(name, [](char c) { return c > ' ' && c < 0x7f; });
    return good ? name : std::string_view{};
}

Delimiter delimiter_of(std::string_view line, std::string_view mark) {
    if (!line.starts_with(mark)) return Delimiter::None;
    const std::string_view tail = line.substr(mark.size());
    if (base::trim(tail).empty()) return Delimiter::NextPart;
    if (!tail.starts_with("--")) return Delimiter::None;
    return base::trim(tail.substr(2)).empty() ? Delimiter::Last : Delimiter::LastWithMore;
}

OpenMultiparts::Found OpenMultiparts::find(std::string_view line) const {
    if (!line.starts_with("--")) return {};
    for (auto at = marks_.size(); at-- > 0;) {
        Delimiter kind = delimiter_of(line, marks_[at]);
        if (kind == Delimiter::LastWithMore) kind = with_more_;
        if (kind != Delimiter::None) return {kind, kind == Delimiter::NextPart ? at + 1 : at};
    }
    return {};
}

}  // namespace mail
